//! Whose certificate is asked for where, and what the files of one are worth.

use super::*;
use crate::options::TlsFiles;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use tandem_sip::endpoint::{Profile, TrunkHosts};

/// Files of a certificate that signs itself, made with openssl in a folder of this test's own.
pub(crate) fn files(name: &str) -> TlsFiles {
    let folder = std::env::temp_dir().join(format!("tandem-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = |file: &str| folder.join(file);
    let made = Command::new("openssl")
        .args(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(' '),
        )
        .args(["-subj", "/CN=x", "-addext", "subjectAltName=DNS:x.example"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .args([path("key"), PathBuf::from("-out"), path("certificate")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let [certificate, key] = ["certificate", "key"].map(path);
    TlsFiles { authorities: Some(certificate.clone()), certificate, key }
}

pub(crate) fn tls(name: &str) -> Tls {
    Tls::new(files(name).read().unwrap())
}

fn trunk(host: &str, address: Option<&str>, transport: Transport) -> Trunk {
    Trunk {
        company: "demo".to_owned(),
        id: host.to_owned(),
        hosts: TrunkHosts::of_one(host, 5061, address.map(|address| address.parse().unwrap())),
        transport,
        sources: Vec::new(),
        credentials: None,
        domain: host.to_owned(),
        register: false,
        expires: std::time::Duration::from_secs(300),
        contact_user: String::new(),
        early_media: true,
        profile: Profile::default(),
        max_calls: None,
    }
}

#[test]
fn nobody_is_connected_to_whose_name_is_not_known() {
    let mut tls = tls("names");
    let [here, there]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
    tls.set_trunks(&[
        trunk("a.example", Some("192.0.2.1:5061"), Transport::Tls),
        trunk("192.0.2.1", Some("192.0.2.1:5061"), Transport::Tls),
        trunk("b.example", None, Transport::Tls),
        trunk("c.example", Some("192.0.2.2:5060"), Transport::Tcp),
    ]);
    let named =
        |tls: &Tls, ip| tls.names_at(ip).iter().map(|name| name.to_str().into_owned()).collect();
    let names: Vec<String> = named(&tls, here);
    assert_eq!(names, ["a.example", "192.0.2.1"]);
    assert!(tls.connect(there).is_err(), "that one does not speak TLS");
    let servers = [Server::alone(SocketAddr::new(there, 5061))];
    let host = |name: &str, transport| Host { name: name.into(), port: Some(5061), transport };
    tls.resolved(&host("c.example", Transport::Tcp), &servers);
    assert!(tls.connect(there).is_err());
    tls.resolved(&host("b.example", Transport::Tls), &servers);
    let session = tls.connect(there).unwrap();
    assert!(session.is_handshaking() && session.vouches_for(&tls.names_at(there)));
    assert!(!session.vouches_for(&tls.names_at(here)));
    assert!(!tls.accept().unwrap().vouches_for(&tls.names_at(there)), "who comes shows nothing");
    tls.set_trunks(&[]);
    assert!(tls.connect(here).is_err());
}

#[test]
fn the_end_of_a_certificate_is_read_from_it() {
    let made = files("end");
    let ends_at_s = made.read().unwrap().ends_at_s;
    let written = std::fs::metadata(&made.certificate).unwrap().modified().unwrap();
    let now_s = written.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(ends_at_s.abs_diff(now_s + 2 * 86_400) < 60);
}

/// What the exchange at 192.0.2.1 hears from one who connects to these hosts there, and what becomes of that one.
fn heard(name: &str, hosts: &[&str]) -> (Vec<u8>, Result<(), String>) {
    let mut tls = tls(name);
    let trunks = hosts.iter().map(|host| trunk(host, Some("192.0.2.1:5061"), Transport::Tls));
    tls.set_trunks(&trunks.collect::<Vec<_>>());
    let mut server = tls.accept().unwrap();
    let mut client = tls.connect("192.0.2.1".parse().unwrap()).unwrap();
    assert!(client.send(b"INVITE"));
    assert_eq!(client.held_bytes(), 6);
    let mut heard = Vec::new();
    let mut outcome = Ok(());
    for _ in 0..4 {
        if let Some(bytes) = client.poll_transmit() {
            // An alert tells it that it is not believed.
            let _ = server.handle_bytes(&bytes, |plain| heard.extend_from_slice(plain));
        }
        if let (Some(bytes), true) = (server.poll_transmit(), outcome.is_ok()) {
            outcome = client.handle_bytes(&bytes, |_| ());
        }
    }
    (heard, outcome)
}

#[test]
fn not_a_word_is_said_to_who_is_not_all_that_it_should_be() {
    assert_eq!(heard("all", &["x.example"]), (b"INVITE".to_vec(), Ok(())));
    let why = Err("certificate of y.example: it is for x.example".to_owned());
    for hosts in [&["y.example"][..], &["x.example", "y.example"], &["y.example", "x.example"]] {
        assert_eq!(heard("not-all", hosts), (Vec::new(), why.clone()), "{hosts:?}");
    }
}
