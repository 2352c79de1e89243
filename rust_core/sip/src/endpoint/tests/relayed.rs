//! Two legs of one call: what one side says of its formats reaches the other.

use super::*;

const LEG: LegId = LegId(FIRST_DIALLED_LEG);

fn sdp(formats: &str, attributes: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n\
         m=audio 7000 RTP/AVP {formats}\r\n{}",
        attributes.replace('\n', "\r\n")
    )
}

/// Formats and attributes of the audio line in a body.
fn audio(body: &[u8]) -> (Vec<String>, Vec<String>) {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("m=audio ")).unwrap();
    let formats = line.split(' ').skip(2).map(str::to_owned).collect();
    let fmtps = text.lines().filter_map(|line| line.strip_prefix("a=fmtp:"));
    (formats, fmtps.map(str::to_owned).collect())
}

/// The carrier calls with `offer` and its own trunk is dialled for it, which answers with `answer`. The INVITE that went
/// out, the 200 that went back, and the two dialogs.
fn joined(desk: &mut Desk, offer: &str, answer: &str) -> (Request, Response, LegId, Caller) {
    let mut caller = desk.next_caller();
    desk.hear(CARRIER, caller.invite_with("", offer));
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    desk.sent();
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "7".into() };
    let offer_of = Some(incoming.leg);
    let rtp = peer("192.0.2.1:4002");
    desk.command(Command::Dial { leg: LEG, target, caller: CallerId::default(), offer_of, rtp });
    let invite = desk.one_request();
    let mut ok = invite.response(200, "OK", Some("far"));
    ok.headers.push(HeaderName::Contact, format!("<sip:far@{CARRIER}>"));
    ok.body = answer.to_owned().into();
    desk.hear(CARRIER, ok.to_bytes());
    desk.sent();
    let leg = incoming.leg;
    desk.command(Command::Answer { leg, like: Some(LEG), rtp: peer("192.0.2.1:4000") });
    let answered = desk.one_response();
    caller.to_tag = tag(&answered);
    desk.hear(CARRIER, caller.request("ACK", ""));
    (invite, answered, leg, caller)
}

#[test]
fn each_side_learns_what_the_other_wants_to_receive() {
    let mut desk = Desk::new();
    let offer = sdp(
        "18 97 98 101",
        "a=fmtp:18 annexb=yes\na=rtpmap:97 iLBC/8000\na=fmtp:97 mode=20\na=rtpmap:98 iLBC/8000\n\
         a=fmtp:98 mode=30\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n",
    );
    let answer = sdp(
        "18 111 101",
        "a=fmtp:18 annexb=no\na=rtpmap:111 iLBC/8000\na=fmtp:111 mode=30\n\
         a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\n",
    );
    let (invite, ok, _, mut caller) = joined(&mut desk, &offer, &answer);
    let offered = audio(&invite.body);
    assert_eq!(offered.0, ["18", "97", "98", "101"]);
    assert_eq!(offered.1, ["18 annexb=yes", "97 mode=20", "98 mode=30", "101 0-16"]);
    let expected = ["18 annexb=no", "98 mode=30", "101 0-15"].map(str::to_owned).to_vec();
    assert_eq!(
        audio(&ok.body),
        (["18", "98", "101"].map(str::to_owned).to_vec(), expected.clone())
    );
    // The same is said again when the caller asks again, and when it wants to be offered.
    let again = caller.next("INVITE", "Content-Type: application/sdp\r\n", &offer);
    assert_eq!(audio(&desk.ask(CARRIER, again).body).1, expected);
    desk.hear(CARRIER, caller.request("ACK", ""));
    let ours = caller.next("INVITE", "", "");
    assert_eq!(audio(&desk.ask(CARRIER, ours).body).1, expected);
}

#[test]
fn all_of_a_dozen_formats_are_carried() {
    let mut desk = Desk::new();
    let numbers: Vec<u8> = (96..108).collect();
    let formats = numbers.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
    let maps: String = numbers.iter().map(|n| format!("a=rtpmap:{n} X{n}/8000\n")).collect();
    let (invite, ok, ..) = joined(&mut desk, &sdp(&formats, &maps), &sdp(&formats, &maps));
    assert_eq!(audio(&invite.body).0.len(), 12);
    assert_eq!(audio(&ok.body).0.len(), 12);
    let events = desk.events();
    let told: Vec<usize> = agreed_in(&events).iter().map(|agreed| agreed.codecs.len()).collect();
    assert_eq!(told, [12, 12]);
}
