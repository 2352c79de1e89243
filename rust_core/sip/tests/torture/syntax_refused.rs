//! RFC 4475 §3.1.2: wrong, and §3.2: a branch that promises and doesn't keep.

use tandem_sip::wire::HeaderName;

use super::desk::{answers, call, invite, is_dropped, message, statuses};

#[test]
fn s3_1_2_1_separators_too_many() {
    let raw = invite(
        "sip:user@example.com",
        "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\nContact: \"Joe\" <sip:joe@example.org>;;;;",
    );
    assert_eq!(statuses(&raw), [400]);
}

#[test]
fn s3_1_2_2_a_body_shorter_than_its_length() {
    let raw = invite("sip:user@example.com", "Content-Length: 9999");
    assert_eq!(statuses(&raw), [400]);
}

#[test]
fn s3_1_2_3_a_negative_length() {
    assert_eq!(statuses(&invite("sip:user@example.com", "Content-Length: -999")), [400]);
}

#[test]
fn s3_1_2_4_numbers_too_large_in_a_request() {
    let whole = "CSeq: 36893488147419103232 REGISTER\nMax-Forwards: 300\nExpires: 10000000000000000\n\
        Contact: <sip:user@host129.example.com>;expires=280297596632815";
    assert_eq!(statuses(&message("REGISTER sip:example.com SIP/2.0", whole, "")), [400]);
    for alone in ["CSeq: 36893488147419103232 REGISTER", "Max-Forwards: 300"] {
        assert_eq!(
            statuses(&message("REGISTER sip:example.com SIP/2.0", alone, "")),
            [400],
            "{alone}"
        );
    }
}

#[test]
fn s3_1_2_5_numbers_too_large_in_a_response() {
    let raw = message(
        "SIP/2.0 503 Service Unavailable",
        "CSeq: 9292394834772304023312 OPTIONS\nRetry-After: 949302838503028349304023988",
        "",
    );
    assert!(is_dropped(&raw));
}

#[test]
fn s3_1_2_6_a_quote_that_does_not_end() {
    let raw = invite("sip:user@example.com", "To: \"Mr. J. User <sip:j.user@example.com>");
    assert_eq!(statuses(&raw), [400]);
}

#[test]
fn s3_1_2_7_to_3_1_2_11_request_lines() {
    let refused = [
        ("7", "INVITE <sip:user@example.com> SIP/2.0"),
        ("8", "INVITE sip:user@example.com; lr SIP/2.0"),
        ("9", "INVITE  sip:user@example.com  SIP/2.0"),
        ("10", "OPTIONS sip:remote-target@example.com SIP/2.0  "),
        ("11", "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0"),
    ];
    for (section, start) in refused {
        assert_eq!(statuses(&message(start, "", "")), [400], "§3.1.2.{section}");
    }
}

#[test]
fn s3_1_2_12_a_date_of_another_zone() {
    let raw = invite("sip:user@example.com", "Date: Fri, 01 Jan 2010 16:00:00 EST");
    assert_eq!(statuses(&raw), [400]);
    let right = invite("sip:user@example.com", "Date: Fri, 01 Jan 2010 16:00:00 GMT");
    assert_eq!(statuses(&right), [100]);
}

#[test]
fn s3_1_2_13_a_contact_without_its_brackets() {
    let raw = message(
        "REGISTER sip:example.com SIP/2.0",
        "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E",
        "",
    );
    assert_eq!(statuses(&raw), [400]);
}

/// Both may be refused or taken as meant; phones of this kind exist, and what they mean is clear.
#[test]
fn s3_1_2_14_and_15_spaces_in_brackets_and_names_without_quotes_are_borne_with() {
    let spaces = "To: \"Watson, Thomas\" < sip:t.watson@example.org >";
    let name = "From: Bell, Alexander <sip:a.g.bell@example.org>;tag=43";
    let call = call(&invite("sip:t.watson@example.org", &format!("{spaces}\n{name}")));
    assert_eq!(
        (call.caller.name.as_str(), call.caller.number.as_str()),
        ("Bell, Alexander", "a.g.bell")
    );
}

#[test]
fn s3_1_2_16_an_unknown_version() {
    let raw = message("OPTIONS sip:t.watson@example.org SIP/7.0", "", "");
    assert_eq!(statuses(&raw), [505]);
}

#[test]
fn s3_1_2_17_and_18_two_methods_in_one_request() {
    for method in ["OPTIONS", "NEWMETHOD"] {
        let start = format!("{method} sip:user@example.com SIP/2.0");
        assert_eq!(statuses(&message(&start, "CSeq: 8 INVITE", "")), [400], "{method}");
    }
}

#[test]
fn s3_1_2_19_a_status_too_large() {
    assert!(is_dropped(&message("SIP/2.0 4294967301 better not break", "CSeq: 8 INVITE", "")));
}

#[test]
fn s3_2_1_a_branch_of_nothing_but_the_cookie() {
    let of = |call_id: &str| {
        let via = "Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK";
        message("OPTIONS sip:user@example.com SIP/2.0", &format!("{via}\nCall-ID: {call_id}"), "")
    };
    for call_id in ["one", "two"] {
        let answers = answers(&of(call_id));
        assert_eq!(answers[0].status, 200);
        assert_eq!(answers[0].headers.text(&HeaderName::CallId), Some(call_id));
    }
}
