//! RFC 4475 §3.1.1: odd, and right.

use tandem_sip::wire::{Address, HeaderName, Method, Via};

use super::desk::{SDP, answers, call, invite, is_dropped, message, request, response, statuses};

#[test]
fn s3_1_1_1_a_short_tortuous_invite() {
    let raw = format!(
        "INVITE sip:vivekg@chair.example.com;unknownparam SIP/2.0\n\
         TO :\n sip:vivekg@chair.example.com ;   tag    = 1918181833n\n\
         from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\n  ;\n  tag = 98asjd8\n\
         MaX-fOrWaRdS: 0068\nCall-ID: tortuous@192.0.2.1\nContent-Length   : {}\n\
         cseq: 0009\n  INVITE\nVia  : SIP  /   2.0\n /UDP\n    192.0.2.2;branch=390skdjuw\n\
         s :\nNewField:   new\n and folded\nOddField: ;;,,;;,;\n\
         Content-Type: application/sdp\nRoute:\n <sip:services.example.com;lr;with=value;without>\n\
         v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n  branch  =   z9hG4bK9ikj8  ,\n\
         \tSIP  /    2.0   / UDP  192.168.255.111   ; branch=\n z9hG4bK30239\n\
         m:\"Quoted \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\n      newvalue ;\n  second ; q = 0.33\n\n",
        SDP.len()
    );
    let raw = [raw.replace('\n', "\r\n").as_bytes(), SDP.as_bytes()].concat();
    let read = request(&raw);
    let value = |name| Address::parse(read.headers.line(name).unwrap()).unwrap();
    assert_eq!(value(&HeaderName::To).tag(), Some("1918181833n"));
    assert_eq!(value(&HeaderName::From).tag(), Some("98asjd8"));
    assert_eq!(value(&HeaderName::From).display_name(), "J Rosenberg \\\"");
    let contact = value(&HeaderName::Contact);
    let params = ["newparam", "second", "q"].map(|name| contact.params.value(name));
    assert_eq!(params, [Some("newvalue"), Some(""), Some("0.33")]);
    let vias: Vec<_> = read.headers.values(&HeaderName::Via).collect();
    let vias: Vec<_> = vias.iter().map(|via| Via::parse(via).unwrap()).collect();
    assert_eq!(
        vias.iter().map(|via| (via.transport, via.host, via.branch())).collect::<Vec<_>>(),
        [
            ("UDP", "192.0.2.2", None),
            ("TCP", "spindle.example.com", Some("z9hG4bK9ikj8")),
            ("UDP", "192.168.255.111", Some("z9hG4bK30239")),
        ]
    );
    let other = |name: &str| read.headers.text(&HeaderName::Other(name.to_owned()));
    assert_eq!((other("newfield"), other("oddfield")), (Some("new and folded"), Some(";;,,;;,;")));
    assert_eq!(read.headers.text(&HeaderName::Subject), Some(""));
    assert_eq!((read.cseq().unwrap().number, read.body), (9, SDP.into()));
    assert_eq!(statuses(&raw), [481], "it says to belong to a dialog");
}

#[test]
fn s3_1_1_2_a_wide_range_of_valid_characters() {
    const METHOD: &str = "!odd-Method0123456789_*+`.%indeed'~";
    const USER: &str = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*";
    let uri = format!("sip:{USER}:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com");
    let fields = format!(
        "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\n\
         To: \"BEL:\\\u{7} NUL:\\\0 DEL:\\\u{7f}\" <sip:{USER}@example.com>\n\
         From: t1~` t2'+_ t3*%!.- <sip:m@example.com>;p''~+*_!.-%=\"работающий\";tag=_t~1'+`*%!-.\n\
         Call-ID: word%ZK-!.*_+'@word`~)(><:\\/\"][?}}{{\nMax-Forwards: 255\n\
         ext-!.%*+_`'~: \u{feff}大停電"
    );
    let raw = message(&format!("{METHOD} {uri} SIP/2.0"), &fields, "");
    let read = request(&raw);
    assert_eq!((read.method.as_str(), &read.uri), (METHOD, &uri));
    let to = Address::parse(read.headers.line(&HeaderName::To).unwrap()).unwrap();
    assert_eq!(to.parsed_uri().unwrap().raw_user(), Some(USER));
    let from = Address::parse(read.headers.line(&HeaderName::From).unwrap()).unwrap();
    assert_eq!(from.display_name(), "t1~` t2'+_ t3*%!.-");
    assert_eq!(from.params.value("p''~+*_!.-%"), Some("работающий"));
    assert_eq!(from.tag(), Some("_t~1'+`*%!-."));
    assert_eq!(
        read.headers.text(&HeaderName::CallId),
        Some("word%ZK-!.*_+'@word`~)(><:\\/\"][?}{")
    );
    let extension = HeaderName::Other("ext-!.%*+_`'~".to_owned());
    assert_eq!(read.headers.text(&extension), Some("\u{feff}大停電"));
    let answers = answers(&raw);
    assert_eq!(answers.iter().map(|a| a.status).collect::<Vec<_>>(), [501]);
    assert!(answers[0].headers.text(&HeaderName::Allow).unwrap().contains("INVITE"));
}

#[test]
fn s3_1_1_3_valid_use_of_percent_escapes() {
    let call = call(&invite(
        "sip:sips%3Auser%40example.com@example.net",
        "To: sip:%75se%72@example.com\nFrom: <sip:I%20have%20spaces@example.net>;tag=938\n\
         Contact:\n  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>",
    ));
    assert_eq!(call.called, "sips:user@example.com");
    assert_eq!(call.caller.number, "I have spaces");
    let contact = Address::parse(b"<sip:c@h;n%61me=v%61lue%25%34%31;%6C%72>").unwrap();
    let params = contact.parsed_uri().unwrap().params;
    assert_eq!(params.value("n%61me"), Some("v%61lue%25%34%31"), "not read twice");
    assert!(!params.has("lr"));
}

#[test]
fn s3_1_1_4_escaped_nulls() {
    let raw = message(
        "REGISTER sip:example.com SIP/2.0",
        "To: sip:null-%00-null@example.com\nFrom: sip:null-%00-null@example.com;tag=8\n\
         Contact: <sip:%00@host5.example.com>\nContact: <sip:%00%00@host5.example.com>",
        "",
    );
    let read = request(&raw);
    let users: Vec<_> = read
        .headers
        .values(&HeaderName::Contact)
        .map(|c| Address::parse(&c).unwrap().parsed_uri().unwrap().user().unwrap())
        .collect();
    assert_eq!(users, ["\0", "\0\0"]);
    let to = Address::parse(read.headers.line(&HeaderName::To).unwrap()).unwrap();
    assert_eq!(to.parsed_uri().unwrap().user().as_deref(), Some("null-\0-null"));
    assert_eq!(statuses(&raw), [401]);
}

#[test]
fn s3_1_1_5_percent_where_it_is_no_escape() {
    let raw = message(
        "RE%47IST%45R sip:registrar.example.com SIP/2.0",
        "To: \"%Z%45\" <sip:resource@example.com>\nContact: <sip:alias1@host1.example.com>\n\
         C%6Fntact: <sip:alias2@host2.example.com>\nContact: <sip:alias3@host3.example.com>",
        "",
    );
    let read = request(&raw);
    assert_eq!(read.method, Method::Other("RE%47IST%45R".to_owned()));
    assert_eq!(read.headers.lines(&HeaderName::Contact).count(), 2);
    let to = Address::parse(read.headers.line(&HeaderName::To).unwrap()).unwrap();
    assert_eq!(to.display_name(), "%Z%45");
    assert_eq!(statuses(&raw), [501]);
}

#[test]
fn s3_1_1_6_no_space_before_the_bracket() {
    let raw = message(
        "OPTIONS sip:user@example.com SIP/2.0",
        "From: caller<sip:caller@example.com>;tag=323",
        "",
    );
    let read = request(&raw);
    let from = Address::parse(read.headers.line(&HeaderName::From).unwrap()).unwrap();
    assert_eq!((from.display_name().as_str(), from.tag()), ("caller", Some("323")));
    assert_eq!(statuses(&raw), [200]);
}

#[test]
fn s3_1_1_7_long_values() {
    let [name, label, branch] = ["extreme", "really", "long"].map(|word| word.repeat(40));
    let mut fields = format!(
        "To: \"I have a user name of {name}\" <sip:user@example.com:6000;unknown={label};x={label}>\n\
         F: sip:{}@example.net;tag=12{};unknownheaderparam{label}=unknown{label};novalue{label}\n\
         Call-ID: longreq.one{}longcallid\nCSeq: 3882340 INVITE\nUnknown-{label}-Name: {label}\n",
        "amazinglylongcallername".repeat(5),
        "982".repeat(50),
        "really".repeat(20),
    );
    for hop in (0..33).rev() {
        fields.push_str(&format!("Via: SIP/2.0/TCP sip{hop}.example.com\n"));
    }
    fields.push_str(&format!(
        "Via: SIP/2.0/TCP last.example.com;received=192.0.2.5;branch=very{branch}value\n\
         Contact: <sip:amazinglylong@host5.example.net>\nFrom: absent"
    ));
    let raw = invite("sip:user@example.com", &fields);
    let read = request(&raw);
    assert_eq!(read.headers.values(&HeaderName::Via).count(), 34);
    let from = Address::parse(read.headers.line(&HeaderName::From).unwrap()).unwrap();
    assert_eq!(from.tag().unwrap().len(), 2 + 150);
    assert_eq!(call(&raw).called, "user");
}

#[test]
fn s3_1_1_8_more_octets_than_one_message() {
    let mut raw = message("REGISTER sip:example.com SIP/2.0", "", "");
    raw.extend_from_slice(&invite("sip:j@example.com", ""));
    assert_eq!(request(&raw).method, Method::Register);
    assert_eq!(statuses(&raw), [401], "the second is not seen");
}

#[test]
fn s3_1_1_9_semicolons_in_a_user_part() {
    let raw =
        message("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0", "Accept: a/1", "");
    let read = request(&raw);
    let uri = tandem_sip::wire::Uri::parse(&read.uri).unwrap();
    assert_eq!((uri.raw_user(), uri.host), (Some("user;par=u%40example.net"), "example.com"));
    assert!(!uri.params.has("par"));
    assert_eq!(statuses(&raw), [200]);
}

#[test]
fn s3_1_1_10_transports_known_and_unknown() {
    let raw = message(
        "OPTIONS sip:user@example.com SIP/2.0",
        "Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw\n\
         Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf\n\
         Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj\n\
         Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en\n\
         Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee",
        "",
    );
    let answers = answers(&raw);
    assert_eq!(answers[0].status, 200);
    let copied: Vec<_> = answers[0].headers.values(&HeaderName::Via).collect();
    let transports: Vec<_> = copied.iter().map(|v| Via::parse(v).unwrap().transport).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

#[test]
fn s3_1_1_11_a_multipart_body() {
    let text = "--7a9\r\n\r\nHello\r\n--7a9\r\nContent-Type: application/octet-stream\r\n\r\n";
    let mut body = text.as_bytes().to_vec();
    body.extend([0x00, 0x0d, 0x0a, 0x0d, 0x0a, 0xff, 0x80]);
    body.extend_from_slice(b"\r\n--7a9--\r\n");
    let fields =
        format!("Content-Type: multipart/mixed;boundary=7a9\nContent-Length: {}", body.len());
    let mut raw = message("MESSAGE sip:kumiko@example.org SIP/2.0", &fields, "");
    raw.extend_from_slice(&body);
    assert_eq!(request(&raw).body, body);
    assert_eq!(statuses(&raw), [501]);
}

#[test]
fn s3_1_1_12_an_unusual_reason_phrase() {
    const REASON: &str = "= 2**3 * 5**2 но сто девяносто девять - простое";
    let raw = message(&format!("SIP/2.0 200 {REASON}"), "CSeq: 35 INVITE", "");
    let read = response(&raw);
    assert_eq!((read.status, read.reason.as_str()), (200, REASON));
    assert!(answers(&raw).is_empty() && !is_dropped(&raw));
}

#[test]
fn s3_1_1_13_an_empty_reason_phrase() {
    let raw = message("SIP/2.0 100 ", "CSeq: 35 INVITE", "");
    let read = response(&raw);
    assert_eq!((read.status, read.reason.as_str()), (100, ""));
}
