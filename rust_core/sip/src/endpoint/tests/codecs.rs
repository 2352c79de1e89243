//! Codecs that a trunk permits, in offers and answers, whoever calls.

use super::*;

const LEG: LegId = LegId(FIRST_DIALLED_LEG);
const RTP: &str = "192.0.2.1:4002";
/// Opus, G.722, A-law, µ-law, and keys for both clocks.
const WIDE: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n\
    m=audio 7000 RTP/AVP 96 9 0 8 101 102\r\na=rtpmap:96 opus/48000/2\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=rtpmap:102 telephone-event/48000\r\n";

fn permitting(codecs: &[&str]) -> Trunk {
    let codecs = codecs.iter().map(|&name| name.to_owned()).collect();
    Trunk { profile: Profile { codecs, ..Profile::default() }, ..trunk("carrier", CARRIER) }
}

fn desk(codecs: &[&str]) -> Desk {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![permitting(codecs)]));
    desk
}

fn dial(desk: &mut Desk, offer_of: Option<LegId>) {
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "+7916".into() };
    let caller = CallerId { number: "+74951".into(), ..CallerId::default() };
    desk.command(Command::Dial { leg: LEG, target, caller, offer_of, rtp: peer(RTP) });
}

fn audio(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body).into_owned();
    text.lines().find(|line| line.starts_with("m=audio")).unwrap_or_default().to_owned()
}

/// A call of the carrier with `sdp`: its leg and the codecs that are told.
fn called(desk: &mut Desk, sdp: &str) -> (LegId, Vec<String>) {
    let caller = desk.next_caller();
    desk.hear(CARRIER, caller.invite_with("", sdp));
    desk.sent();
    match desk.events().pop() {
        Some(Event::Incoming(incoming)) => (incoming.leg, incoming.codecs),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_trunk_is_offered_what_it_permits_in_its_order() {
    let mut desk = desk(&["PCMU", "telephone-event", "G722"]);
    dial(&mut desk, None);
    assert_eq!(audio(&desk.one_request().body), "m=audio 4002 RTP/AVP 0 101 9");
}

#[test]
fn a_call_led_on_to_a_trunk_offers_what_both_permit() {
    let mut desk = Desk::new();
    let other = Trunk { id: "other".into(), ..trunk("other", "198.51.100.10:5060") };
    desk.command(Command::SetTrunks(vec![permitting(&["PCMA", "opus"]), other]));
    let caller = desk.next_caller();
    desk.hear("198.51.100.10:5060", caller.invite_with("", WIDE));
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    desk.sent();
    dial(&mut desk, Some(incoming.leg));
    assert_eq!(audio(&desk.one_request().body), "m=audio 4002 RTP/AVP 8 96");
}

#[test]
fn an_offer_of_a_trunk_is_answered_with_what_is_permitted() {
    let mut desk = desk(&["pcma", "telephone-event"]);
    let (leg, codecs) = called(&mut desk, WIDE);
    assert_eq!(codecs, ["PCMA", "telephone-event"]);
    desk.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
    assert_eq!(audio(&desk.one_response().body), "m=audio 4000 RTP/AVP 8 101");
}

#[test]
fn a_trunk_that_offers_nothing_is_offered_what_is_permitted() {
    let mut desk = desk(&["PCMU"]);
    let (leg, codecs) = called(&mut desk, "");
    assert_eq!(codecs, ["PCMU"]);
    desk.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
    assert_eq!(audio(&desk.one_response().body), "m=audio 4000 RTP/AVP 0");
}

#[test]
fn without_a_codec_in_common_nobody_is_called_and_no_place_is_kept() {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![Trunk { max_calls: Some(1), ..permitting(&["G729"]) }]));
    for _ in 0..2 {
        dial(&mut desk, None);
        assert_eq!(desk.sent(), []);
        assert_eq!(desk.one_end(), (488, EndedBy::Us), "and not 503 for want of a place");
    }
    let (leg, codecs) = called(&mut desk, WIDE);
    assert_eq!(codecs, [""; 0]);
    desk.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
    let refused = desk.one_response();
    assert_eq!(refused.status, 488);
    assert!(refused.headers.text(&HeaderName::Warning).unwrap().starts_with("305 "));
}

#[test]
fn a_call_goes_on_with_the_codecs_that_were_permitted() {
    let mut desk = desk(&["PCMA"]);
    let (leg, mut caller) = desk.called();
    desk.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
    let ok = desk.one_response();
    caller.to_tag = tag(&ok);
    desk.hear(CARRIER, caller.request("ACK", ""));
    let again = caller.next("INVITE", "Content-Type: application/sdp\r\n", WIDE);
    desk.hear(CARRIER, again);
    let answers = desk.responses();
    assert_eq!(audio(&answers.last().unwrap().body), "m=audio 4000 RTP/AVP 8");
}
