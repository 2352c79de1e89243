//! Requests over UDP that are larger than every path carries whole.

use super::*;

const LEG: LegId = LegId(FIRST_DIALLED_LEG);

/// An offer with a codec whose parameters are as long as that.
fn long_offer(fmtp: usize) -> String {
    let long = "x".repeat(fmtp);
    format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n\
         m=audio 7000 RTP/AVP 97 8\r\na=rtpmap:97 speex/8000\r\na=fmtp:97 {long}\r\n"
    )
}

/// Dials the carrier for a caller who offers that, and gives back what is sent, in bytes.
fn dial(desk: &mut Desk, transport: Transport, fmtp: usize) -> Vec<Bytes> {
    let other = trunk("other", "198.51.100.10:5060");
    desk.command(Command::SetTrunks(vec![Trunk { transport, ..trunk("carrier", CARRIER) }, other]));
    let caller = desk.next_caller();
    desk.hear("198.51.100.10:5060", caller.invite_with("", &long_offer(fmtp)));
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    desk.sent();
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "+7916".into() };
    let caller = CallerId { number: "+74951".into(), ..CallerId::default() };
    let (offer_of, rtp) = (Some(incoming.leg), peer("192.0.2.1:4002"));
    desk.command(Command::Dial { leg: LEG, target, caller, offer_of, rtp });
    bytes(desk)
}

fn bytes(desk: &mut Desk) -> Vec<Bytes> {
    std::iter::from_fn(|| desk.endpoint.poll_transmit()).map(|transmit| transmit.bytes).collect()
}

fn request(bytes: &Bytes) -> Request {
    match parse(bytes.clone(), &Limits::DATAGRAM) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_large_invite_stays_on_udp_in_its_brief_form_and_is_answered() {
    let mut desk = Desk::new();
    let sent = dial(&mut desk, Transport::Udp, 3_500);
    let [first] = sent.as_slice() else { panic!("{}", sent.len()) };
    assert!(first.len() > 4_000);
    let text = String::from_utf8_lossy(first).into_owned();
    for name in ["v", "f", "t", "i", "m", "c", "k", "x", "l"] {
        assert!(text.contains(&format!("\r\n{name}: ")), "{name}");
    }
    assert!(!text.contains("User-Agent") && !text.contains("Via: "));
    desk.pass(Duration::from_millis(500));
    assert_eq!(bytes(&mut desk), sent, "again, as it was");
    let invite = request(first);
    let mut ok = invite.response(200, "OK", Some("a"));
    ok.headers.push(HeaderName::Contact, format!("<sip:far@{CARRIER}>"));
    let answer = "v=0\r\no=- 2 2 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\n\
                  t=0 0\r\nm=audio 8000 RTP/AVP 8\r\n";
    ok.body = answer.into();
    desk.hear(CARRIER, ok.to_bytes());
    assert_eq!(desk.methods(), ["ACK"]);
    assert!(desk.events().contains(&Event::Answered(LEG)));
}

#[test]
fn a_small_invite_and_one_over_tcp_are_written_in_full() {
    for (transport, fmtp) in [(Transport::Udp, 100), (Transport::Tcp, 3_500)] {
        let sent = dial(&mut Desk::new(), transport, fmtp);
        let text = String::from_utf8_lossy(&sent[0]).into_owned();
        assert!(text.contains("\r\nVia: ") && text.contains("\r\nUser-Agent: "), "{transport:?}");
    }
}

#[test]
fn the_brief_form_says_the_same() {
    let sent = dial(&mut Desk::new(), Transport::Udp, 3_500);
    let brief = request(&sent[0]);
    assert_eq!(request(&brief.to_bytes()), brief);
    assert!(sent[0].len() + 50 < brief.to_bytes().len());
}

#[test]
fn what_no_datagram_can_carry_is_not_sent_and_fails_at_once() {
    let mut desk = Desk::new();
    assert_eq!(dial(&mut desk, Transport::Udp, 63_900).len(), 1);
    let mut desk = Desk::new();
    let number = "9".repeat(66_000);
    let target = Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number };
    let caller = CallerId { number: "+74951".into(), ..CallerId::default() };
    let rtp = peer("192.0.2.1:4002");
    desk.command(Command::Dial { leg: LEG, target, caller, offer_of: None, rtp });
    desk.pass(Duration::ZERO);
    assert_eq!(bytes(&mut desk).len(), 0);
    assert_eq!(desk.one_end(), (513, EndedBy::Us));
    desk.assert_empty_after(33);
}
