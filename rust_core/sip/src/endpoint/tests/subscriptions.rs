//! A phone subscribes to the messages that wait for it, and is told of them one by one.

use super::*;

const HOUR: &str = "Event: message-summary\r\nExpires: 3600\r\n";

/// The phone of a device with the password "pw".
struct Phone {
    user: &'static str,
    call_id: String,
    contact: String,
    cseq: u32,
    tag: String,
}

impl Phone {
    fn new(call_id: &str) -> Self {
        let contact = format!("<sip:anna@{PHONE}>");
        Self { user: "anna", call_id: call_id.to_owned(), contact, cseq: 1, tag: String::new() }
    }

    fn message(&self, method: &str, called: &str, extra: &str) -> String {
        let Self { user, call_id, contact, cseq, tag } = self;
        let to_tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        format!(
            "{method} sip:{called}@{REALM} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {PHONE};branch=z9hG4bK{method}{call_id}{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{REALM}>;tag=t{call_id}\r\n\
             To: <sip:{called}@{REALM}>{to_tag}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: {contact}\r\n{extra}Content-Length: 0\r\n\r\n"
        )
    }

    /// What the gate hears with credentials, by a way.
    fn prove(&mut self, desk: &mut Desk, text: &str, hear: impl Fn(&mut Desk, String)) {
        hear(desk, text.to_owned());
        let challenge = desk.one_response();
        self.cseq += 1;
        let known = credentials(self.user, REALM, "pw");
        hear(desk, authorized(text, &challenge, &known, self.cseq));
    }

    /// Subscribes to somebody's messages: the response, and the NOTIFY after it.
    fn subscribe_to(
        &mut self,
        desk: &mut Desk,
        called: &str,
        extra: &str,
    ) -> (Response, Option<Request>) {
        self.cseq = 1;
        let text = self.message("SUBSCRIBE", called, extra);
        self.prove(desk, &text, |desk, text| desk.hear(PHONE, text));
        let (response, notify) = both(desk);
        self.tag = if response.status == 200 { tag(&response) } else { String::new() };
        (response, notify)
    }

    /// A subscription of an hour whose first NOTIFY was taken.
    fn subscribed(desk: &mut Desk, call_id: &str) -> Self {
        let mut phone = Self::new(call_id);
        let (ok, notify) = phone.subscribe_to(desk, "anna", HOUR);
        assert_eq!(ok.status, 200);
        desk.hear(PHONE, reply(&notify.unwrap(), 200, ""));
        phone
    }

    fn again(&mut self, desk: &mut Desk, expires: u32) -> (Response, Option<Request>) {
        self.cseq += 1;
        let extra = format!("Event: message-summary\r\nExpires: {expires}\r\n");
        desk.hear(PHONE, self.message("SUBSCRIBE", "anna", &extra));
        both(desk)
    }
}

fn both(desk: &mut Desk) -> (Response, Option<Request>) {
    let (mut response, mut request) = (None, None);
    for (_, message) in desk.sent() {
        match message {
            Message::Response(one) => response = Some(one),
            Message::Request(one) => {
                assert!(request.replace(one).is_none(), "one NOTIFY at a time");
                assert!(response.is_some(), "the response comes first");
            }
        }
    }
    (response.expect("a response"), request)
}

fn reply(request: &Request, status: u16, extra: &str) -> Bytes {
    let mut text = format!("SIP/2.0 {status} X\r\n");
    for name in
        [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq]
    {
        text += &format!("{}: {}\r\n", name.as_str(), request.headers.text(&name).unwrap());
    }
    (text + extra + "Content-Length: 0\r\n\r\n").into()
}

fn state(notify: &Request) -> &str {
    assert_eq!(notify.method.as_str(), "NOTIFY");
    notify.headers.text(&HeaderName::SubscriptionState).unwrap()
}

fn subscriptions(desk: &Desk) -> (u64, u64) {
    let counters = desk.endpoint.counters();
    (counters.subscriptions, counters.subscriptions_lost)
}

#[test]
fn a_phone_subscribes_refreshes_and_leaves() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("s1"));
    let (ok, notify) =
        phone.subscribe_to(&mut desk, "anna", "Event: message-summary;id=7\r\nExpires: 600\r\n");
    assert_eq!((ok.status, ok.headers.text(&HeaderName::Expires)), (200, Some("600")));
    assert_eq!(ok.headers.text(&HeaderName::Contact), Some("<sip:anna@192.0.2.1:5060>"));
    let notify = notify.unwrap();
    let line = |name| notify.headers.text(&name).unwrap().to_owned();
    assert_eq!(notify.uri, format!("sip:anna@{PHONE}"));
    assert_eq!(line(HeaderName::From), format!("<sip:anna@{REALM}>;tag={}", phone.tag));
    assert_eq!(line(HeaderName::To), format!("<sip:anna@{REALM}>;tag=ts1"));
    assert_eq!(
        (line(HeaderName::CallId), line(HeaderName::CSeq)),
        ("s1".into(), "1 NOTIFY".into())
    );
    assert_eq!(line(HeaderName::Event), "message-summary;id=7");
    assert_eq!(line(HeaderName::ContentType), "application/simple-message-summary");
    assert_eq!(state(&notify), "active;expires=600");
    let told = "Messages-Waiting: no\r\nMessage-Account: sip:anna@demo.example\r\nVoice-Message: 0/0 (0/0)\r\n";
    assert_eq!(notify.body, told);
    desk.hear(PHONE, reply(&notify, 200, ""));
    desk.pass_s(500);
    assert_eq!(phone.again(&mut desk, 600).0.status, 481, "another id");
    phone.cseq += 1;
    let extra = "Event: message-summary;id=7\r\nExpires: 600\r\n";
    desk.hear(PHONE, phone.message("SUBSCRIBE", "anna", extra));
    let (ok, notify) = both(&mut desk);
    assert_eq!((ok.status, tag(&ok)), (200, phone.tag.clone()));
    let notify = notify.unwrap();
    assert_eq!(notify.headers.text(&HeaderName::CSeq), Some("2 NOTIFY"));
    desk.hear(PHONE, reply(&notify, 200, ""));
    desk.pass_s(599);
    assert_eq!((desk.methods(), subscriptions(&desk)), (vec![], (1, 0)));
    phone.cseq += 1;
    let extra = "Event: message-summary;id=7\r\nExpires: 0\r\n";
    desk.hear(PHONE, phone.message("SUBSCRIBE", "anna", extra));
    let (ok, last) = both(&mut desk);
    assert_eq!(ok.headers.text(&HeaderName::Expires), Some("0"));
    assert_eq!(state(&last.unwrap()), "terminated;reason=timeout");
    assert_eq!(subscriptions(&desk), (0, 0));
    desk.assert_empty_after(70);
}

#[test]
fn who_asks_once_is_told_once() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("s1"));
    let (ok, notify) =
        phone.subscribe_to(&mut desk, "anna", "Event: message-summary\r\nExpires: 0\r\n");
    let notify = notify.unwrap();
    assert_eq!((ok.status, state(&notify)), (200, "terminated;reason=timeout"));
    assert!(!notify.body.is_empty());
    assert_eq!(subscriptions(&desk), (0, 0));
    desk.assert_empty_after(70);
}

#[test]
fn what_is_not_understood_or_not_ones_own_is_refused_and_says_why() {
    let mut desk = Desk::new();
    let two = vec![account("anna", "pw"), account("boris", "pw")];
    desk.command(Command::SetAccounts(accounts(two)));
    let mut phone = Phone::new("s1");
    let cases = [
        ("anna", "Event: dialog\r\n", 489),
        ("anna", "", 489),
        ("boris", "Event: message-summary\r\n", 404),
        ("nobody", "Event: message-summary\r\n", 404),
        ("anna", "Event: message-summary\r\nExpires: 59\r\n", 423),
        ("anna", "Event: message-summary\r\nExpires: soon\r\n", 400),
        ("anna", "Event: message-summary\r\nAccept: text/plain\r\n", 406),
        ("anna", "Event: message-summary\r\nAccept: application/simple-message-summary\r\n", 200),
        ("anna", "Event: message-summary\r\n", 200),
    ];
    for (at, (called, extra, status)) in cases.into_iter().enumerate() {
        phone.call_id = format!("s{at}");
        let (response, notify) = phone.subscribe_to(&mut desk, called, extra);
        assert_eq!((response.status, notify.is_some()), (status, status == 200), "{extra}");
        phone.tag.clear();
        let text = |name| response.headers.text(&name).map(str::to_owned);
        match status {
            489 => {
                let name = HeaderName::parse(b"Allow-Events");
                assert_eq!(text(name).as_deref(), Some("message-summary"));
            }
            423 => assert_eq!(text(HeaderName::MinExpires).as_deref(), Some("60")),
            200 => assert_eq!(text(HeaderName::Expires).as_deref(), Some("3600")),
            _ => {}
        }
    }
    (phone.call_id, phone.contact) = ("t1".to_owned(), "<tel:+7>".to_owned());
    assert_eq!(phone.subscribe_to(&mut desk, "anna", HOUR).0.status, 400);
    let mut far = Phone::new("t2");
    let route = format!("{HOUR}Record-Route: <sip:{}@proxy.example;lr>\r\n", "x".repeat(1010));
    assert_eq!(far.subscribe_to(&mut desk, "anna", &route).0.status, 400);
    let trunk = phone
        .message("SUBSCRIBE", "anna", HOUR)
        .replace("sip:anna@demo.example>;tag", "sip:x@y>;tag");
    assert_eq!(desk.ask(CARRIER, trunk).status, 403);
}

#[test]
fn one_word_is_under_way_and_the_newest_state_follows_it_once() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("s1"));
    let (_, first) = phone.subscribe_to(&mut desk, "anna", HOUR);
    for _ in 0..5 {
        let (ok, notify) = phone.again(&mut desk, 900);
        assert_eq!((ok.status, notify), (200, None));
    }
    desk.hear(PHONE, reply(&first.unwrap(), 200, ""));
    let second = desk.one_request();
    assert_eq!(state(&second), "active;expires=900");
    assert_eq!(second.headers.text(&HeaderName::CSeq), Some("2 NOTIFY"));
    desk.hear(PHONE, reply(&second, 200, ""));
    assert_eq!(desk.methods(), Vec::<String>::new());
    let old = phone.message("SUBSCRIBE", "anna", HOUR).replace("branch=z9hG4bK", "branch=z9hG4bKx");
    assert_eq!(desk.ask(PHONE, old).status, 500, "out of order");
}

#[test]
fn a_phone_that_takes_no_word_is_told_no_more() {
    for (status, extra) in [(481, ""), (489, ""), (401, ""), (408, ""), (500, "")] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("s1"));
        let (_, notify) = phone.subscribe_to(&mut desk, "anna", HOUR);
        desk.hear(PHONE, reply(&notify.unwrap(), status, extra));
        assert_eq!(subscriptions(&desk), (0, 1), "{status}");
        assert_eq!(phone.again(&mut desk, 900).0.status, 481);
        desk.assert_empty_after(70);
    }
    let (mut desk, mut phone) = (Desk::new(), Phone::new("s1"));
    phone.subscribe_to(&mut desk, "anna", HOUR);
    desk.pass_s(31);
    assert_eq!(subscriptions(&desk), (1, 0));
    desk.pass_s(1);
    assert_eq!(subscriptions(&desk), (0, 1), "silence");
    desk.assert_empty_after(70);
}

#[test]
fn a_phone_that_is_busy_is_told_when_it_says() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("s1"));
    let (_, notify) = phone.subscribe_to(&mut desk, "anna", HOUR);
    desk.hear(PHONE, reply(&notify.unwrap(), 503, "Retry-After: 20 (busy);duration=9\r\n"));
    desk.pass_s(19);
    assert_eq!(desk.methods(), Vec::<String>::new());
    desk.pass_s(1);
    let notify = desk.one_request();
    assert_eq!(state(&notify), "active;expires=3580");
    desk.hear(PHONE, reply(&notify, 200, ""));
    assert_eq!(subscriptions(&desk), (1, 0));
}

#[test]
fn one_that_is_not_refreshed_ends_on_time_after_what_is_under_way() {
    let mut desk = Desk::new();
    Phone::subscribed(&mut desk, "s1");
    desk.pass(Duration::from_millis(3_599_999));
    assert_eq!(desk.methods(), Vec::<String>::new());
    desk.pass_s(1);
    assert_eq!(state(&desk.requests()[0]), "terminated;reason=timeout");
    assert_eq!(subscriptions(&desk), (0, 0));
    desk.assert_empty_after(70);

    let (mut desk, mut phone) = (Desk::new(), Phone::new("s1"));
    let (_, first) = phone.subscribe_to(&mut desk, "anna", HOUR);
    let (ok, notify) = phone.again(&mut desk, 0);
    assert_eq!((ok.status, notify), (200, None));
    assert_eq!(phone.again(&mut desk, 900).0.status, 481, "it is over");
    desk.hear(PHONE, reply(&first.unwrap(), 200, ""));
    assert_eq!(state(&desk.one_request()), "terminated;reason=timeout");
    assert_eq!(subscriptions(&desk), (0, 0));
    desk.assert_empty_after(70);
}

#[test]
fn one_goes_with_its_account_and_is_unknown_after_a_restart() {
    let mut desk = Desk::new();
    let mut phone = Phone::subscribed(&mut desk, "s1");
    desk.command(Command::SetAccounts(accounts(vec![account("anna", "other")])));
    assert_eq!(desk.methods(), Vec::<String>::new(), "the device is still there");
    desk.command(Command::SetAccounts(accounts(vec![account("boris", "pw")])));
    assert_eq!(state(&desk.one_request()), "terminated;reason=noresource");
    assert_eq!(subscriptions(&desk), (0, 0));
    assert_eq!(phone.again(&mut Desk::new(), 900).0.status, 481);
}

#[test]
fn a_phone_that_starts_anew_has_one_and_a_device_has_not_too_many() {
    let mut desk = Desk::new();
    Phone::subscribed(&mut desk, "s1");
    Phone::subscribed(&mut desk, "s2");
    assert_eq!(subscriptions(&desk), (1, 0));
    for at in 0..17 {
        let mut phone = Phone::new(&format!("x{at}"));
        phone.contact = format!("<sip:anna@{PHONE};line={at}>");
        let (response, _) = phone.subscribe_to(&mut desk, "anna", HOUR);
        assert_eq!(response.status, if at < 15 { 200 } else { 403 });
    }
    assert_eq!(subscriptions(&desk), (16, 0));
    assert_eq!(desk.endpoint.counters().subscriptions_refused, 2);
    Phone::subscribed(&mut desk, "s3");
}

#[test]
fn under_load_subscriptions_give_way_before_registers() {
    let mut desk = Desk::new();
    let mut phone = Phone::subscribed(&mut desk, "s1");
    desk.endpoint.set_behind(0.7);
    let shed = phone.again(&mut desk, 900).0;
    assert_eq!(shed.status, 503);
    assert!(shed.headers.line(&HeaderName::RetryAfter).is_some());
    phone.tag.clear();
    assert_eq!(desk.ask(PHONE, phone.message("SUBSCRIBE", "anna", HOUR)).status, 503);
    assert_eq!(desk.ask(PHONE, phone.message("REGISTER", "anna", "")).status, 401);
    assert_eq!((subscriptions(&desk), desk.endpoint.counters().shed_others), ((1, 0), 2));
}

#[test]
fn one_by_a_connection_goes_with_it_unless_its_phone_comes_back() {
    for comes_back in [false, true] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("s1"));
        let text = phone.message("SUBSCRIBE", "anna", HOUR);
        phone.prove(&mut desk, &text, |desk, text| desk.hear_tcp(1, PHONE, text));
        let notify = both(&mut desk).1.unwrap();
        desk.hear_tcp(1, PHONE, reply(&notify, 200, ""));
        desk.endpoint.handle_connection_closed(desk.now, 1);
        if comes_back {
            let mut other = Phone::new("r1");
            let register = other.message("REGISTER", "anna", "Expires: 300\r\n");
            other.prove(&mut desk, &register, |desk, text| desk.hear_tcp(2, PHONE, text));
            assert_eq!(desk.one_response().status, 200);
        }
        desk.pass_s(3601);
        let last = std::iter::from_fn(|| desk.endpoint.poll_transmit()).next();
        let by = last.map(|last| last.flow.connection);
        assert_eq!(by, comes_back.then_some(Some(2)));
        let lost = u64::from(!comes_back);
        assert_eq!(subscriptions(&desk), (0, lost));
    }
}
