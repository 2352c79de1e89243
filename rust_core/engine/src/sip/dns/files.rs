//! What this host is set up with: its name servers, and the names that it knows itself.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::DNS_PORT;

/// The name servers in resolv.conf; this host itself where none is named, as the C library has it.
pub(super) fn name_servers(file: &Path) -> Vec<SocketAddr> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("nameserver")
            && let Some(Ok(ip)) = words.next().map(str::parse::<IpAddr>)
        {
            found.push(SocketAddr::new(ip, DNS_PORT));
        }
    }
    found.truncate(MAX_NAME_SERVERS);
    if found.is_empty() {
        found.push(SocketAddr::from(([127, 0, 0, 1], DNS_PORT)));
    }
    found
}

/// The addresses of a name in a hosts file.
pub(crate) fn hosts_file(file: &Path, name: &str) -> Vec<IpAddr> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or("").split_whitespace();
        let Some(Ok(ip)) = words.next().map(str::parse::<IpAddr>) else { continue };
        if words.any(|word| word.eq_ignore_ascii_case(name)) && !found.contains(&ip) {
            found.push(ip);
        }
    }
    found
}

/// As the C library has it.
const MAX_NAME_SERVERS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("tandem-{name}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn name_servers_are_read_and_there_is_always_one() {
        let text = "# a comment\nsearch example\nnameserver 192.0.2.1\nnameserver ::1 \n\
            nameserver nonsense\noptions edns0\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n";
        let path = file("resolv", text);
        let found: Vec<String> = name_servers(&path).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1:53", "[::1]:53", "192.0.2.3:53"]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(name_servers(&path), ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn a_hosts_file_knows_names_and_their_aliases() {
        let text = "127.0.0.1 localhost\n::1 localhost # 192.0.2.9 carrier\n\
            192.0.2.1\tSip.Carrier.example carrier\nnonsense carrier\n";
        let path = file("hosts", text);
        let of = |name| hosts_file(&path, name).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(of("LOCALHOST"), ["127.0.0.1", "::1"]);
        assert_eq!(
            (of("carrier"), of("sip.carrier.example")),
            (of("Carrier"), vec!["192.0.2.1".into()])
        );
        assert!(of("other").is_empty() && hosts_file(Path::new("/nowhere"), "x").is_empty());
        std::fs::remove_file(&path).unwrap();
    }
}
