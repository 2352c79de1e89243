//! RFC 4475 §3.3: well-formed, and yet not to be done; §3.4: from before RFC 3261.

use tandem_sip::wire::{Address, HeaderName, Uri};

use super::desk::{SDP, answers, call, invite, message, read, request, statuses};

#[test]
fn s3_3_1_fields_that_must_be_there_are_not() {
    let raw = invite("sip:user@example.com", "From: absent\nTo: absent\nCall-ID: absent");
    assert_eq!(statuses(&raw), [400]);
}

#[test]
fn s3_3_2_and_3_request_uris_of_other_schemes() {
    for uri in ["nobodyknowsthisscheme:totallyopaquecontent", "soap.beep://192.0.2.103:3002"] {
        let raw = message(&format!("OPTIONS {uri} SIP/2.0"), "", "");
        assert_eq!(statuses(&raw), [416], "{uri}");
    }
}

#[test]
fn s3_3_4_other_schemes_in_header_fields() {
    let raw = message(
        "REGISTER sip:example.com SIP/2.0",
        "To: <isbn:2983792873>\nFrom: <http://www.example.com>;tag=3234233\nContact: <name:John_Smith>",
        "",
    );
    assert_eq!(statuses(&raw), [401], "well-formed, but nobody's");
}

#[test]
fn s3_3_5_extensions_that_nobody_knows() {
    let raw = message(
        "OPTIONS sip:user@example.com SIP/2.0",
        "Require: nothingSupportsThis, nothingSupportsThisEither\nProxy-Require: norThis",
        "",
    );
    let answers = answers(&raw);
    assert_eq!(answers[0].status, 420);
    let unsupported = answers[0].headers.text(&HeaderName::Unsupported).unwrap();
    assert_eq!(unsupported, "nothingSupportsThis, nothingSupportsThisEither");
}

#[test]
fn s3_3_6_an_unknown_kind_of_body() {
    let raw = message(
        "INVITE sip:user@example.com SIP/2.0",
        "Content-Type: application/unknownformat",
        "<audio>\r\n <pcmu port=\"443\"/>\r\n</audio>\r\n",
    );
    let answers = answers(&raw);
    let last = answers.last().unwrap();
    assert_eq!(last.status, 415);
    assert_eq!(last.headers.text(&HeaderName::Accept), Some("application/sdp"));
}

#[test]
fn s3_3_7_an_unknown_way_to_authenticate() {
    let raw = message(
        "REGISTER sip:example.com SIP/2.0",
        "Authorization: NoOneKnowsThisScheme opaque-data=here",
        "",
    );
    assert_eq!(statuses(&raw), [401]);
}

#[test]
fn s3_3_8_several_values_where_one_may_be() {
    let twice = [
        "CSeq: 5 INVITE\nCSeq: 59 INVITE",
        "Call-ID: one\nCall-ID: two",
        "From: <sip:a@example.net>;tag=1\nFrom: <sip:b@example.net>;tag=2",
        "To: <sip:a@example.net>\nTo: <sip:b@example.net>",
    ];
    for fields in twice {
        assert_eq!(statuses(&invite("sip:user@example.com", fields)), [400], "{fields}");
    }
}

#[test]
fn s3_3_9_two_different_lengths() {
    let raw = message(
        "OPTIONS sip:user@example.com SIP/2.0",
        "Content-Length: 13\nContent-Length: 5",
        "There's no way",
    );
    assert_eq!(statuses(&raw), [400]);
    let same = "Content-Length: 5\nl: 5";
    assert_eq!(statuses(&message("OPTIONS sip:user@example.com SIP/2.0", same, "12345")), [200]);
}

#[test]
fn s3_3_10_a_response_that_wants_to_be_sent_to_everybody() {
    let raw = message(
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\n\
         Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23\nCSeq: 8 INVITE",
        "",
    );
    assert!(read(&raw).is_ok());
    assert!(answers(&raw).is_empty(), "no response is ever passed on");
}

#[test]
fn s3_3_11_no_hop_left() {
    let hops = "Max-Forwards: 0";
    assert_eq!(statuses(&message("OPTIONS sip:user@example.com SIP/2.0", hops, "")), [200]);
    assert_eq!(statuses(&invite("sip:user@example.com", hops)), [100]);
}

#[test]
fn s3_3_12_and_13_whose_parameter_it_is() {
    let of = |contact: &str| {
        let fields = format!("Contact: {contact}");
        request(&message("REGISTER sip:example.com SIP/2.0", &fields, ""))
    };
    let parts = |contact: &str| {
        let request = of(contact);
        let contact = Address::parse(request.headers.line(&HeaderName::Contact).unwrap()).unwrap();
        (
            contact.params.has("unknownparam"),
            contact.parsed_uri().unwrap().params.has("unknownparam"),
        )
    };
    assert_eq!(parts("sip:+19725552222@gw1.example.net;unknownparam"), (true, false));
    assert_eq!(parts("<sip:+19725552222@gw1.example.net;unknownparam>"), (false, true));
}

#[test]
fn s3_3_14_a_contact_with_escaped_headers() {
    let raw = message(
        "REGISTER sip:example.com SIP/2.0",
        "Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>",
        "",
    );
    let request = request(&raw);
    let contact = Address::parse(request.headers.line(&HeaderName::Contact).unwrap()).unwrap();
    let uri = Uri::parse(contact.uri).unwrap();
    assert_eq!((uri.host, uri.headers), ("example.com", Some("Route=%3Csip:sip.example.com%3E")));
    assert_eq!(statuses(&raw), [401]);
}

#[test]
fn s3_3_15_an_answer_in_no_form_that_we_know() {
    assert_eq!(statuses(&invite("sip:user@example.com", "Accept: text/nobodyKnowsThis")), [406]);
    let known = ["application/sdp, text/plain", "text/plain, application/*;q=0.1", "*/*"];
    for accept in known {
        let raw = invite("sip:user@example.com", &format!("Accept: {accept}"));
        assert_eq!(statuses(&raw), [100], "{accept}");
    }
}

#[test]
fn s3_4_1_an_invite_of_rfc_2543() {
    let raw = format!(
        "INVITE sip:UserB@example.com SIP/2.0\r\nVia: SIP/2.0/UDP iftgw.example.com\r\n\
         From: <sip:+13035551111@client.example.net;user=phone>\r\n\
         Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>\r\n\
         To: sip:+16505552222@ss1.example.net;user=phone\r\nCall-ID: old.1717@client.example.com\r\n\
         CSeq: 56 INVITE\r\nContent-Type: application/sdp\r\n\r\n{SDP}"
    );
    let call = call(raw.as_bytes());
    assert_eq!((call.caller.number.as_str(), call.called.as_str()), ("+13035551111", "UserB"));
}
