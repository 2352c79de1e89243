use super::*;

fn flow(port: u16) -> Flow {
    let peer = SocketAddr::from(([192, 0, 2, 1], port));
    Flow { listener: 0, transport: Transport::Udp, peer, connection: None }
}

fn trace(calls: usize) -> Trace {
    Trace::new(calls, vec![SocketAddr::from(([192, 0, 2, 9], 5060))])
}

fn message(start: &str, call_id: &str) -> Bytes {
    format!("{start} SIP/2.0\r\nCall-ID: {call_id}\r\n\r\n").into()
}

fn receive(trace: &Trace, start: &str, call_id: &str) {
    trace.note(clock::now(), true, flow(5060), &message(start, call_id));
}

fn starts(trace: &Trace, legs: &[u64]) -> Vec<String> {
    let word = |m: TracedMessage| {
        String::from_utf8(m.bytes).unwrap().split(' ').next().unwrap().to_owned()
    };
    trace.messages_of(legs).0.into_iter().map(word).collect()
}

fn counter(trace: &Trace, name: &str) -> u64 {
    trace.counters().into_iter().find(|(n, _)| *n == name).unwrap().1
}

#[test]
fn a_leg_has_what_came_before_it_was_one_and_two_legs_are_told_in_order() {
    let trace = trace(10);
    receive(&trace, "INVITE x", "in");
    receive(&trace, "ACK x", "in");
    trace.claim(LegId(1), "in");
    trace.claim(LegId(2), "out");
    trace.note(clock::now(), false, flow(5070), &message("INVITE y", "out"));
    receive(&trace, "BYE x", "in");
    assert_eq!(starts(&trace, &[2, 1]), ["INVITE", "ACK", "INVITE", "BYE"]);
    assert_eq!(starts(&trace, &[2]), ["INVITE"]);
    let sent = &trace.messages_of(&[2]).0[0];
    assert_eq!(
        (sent.leg, sent.is_received, sent.peer.port(), sent.local.port()),
        (2, false, 5070, 5060)
    );
    assert!(starts(&trace, &[3]).is_empty());
}

#[test]
fn the_same_bytes_once_more_are_a_repetition_and_the_other_way_are_not() {
    let trace = trace(10);
    let invite = message("INVITE x", "a");
    for is_received in [true, false, true] {
        trace.note(clock::now(), is_received, flow(5060), &invite);
    }
    trace.claim(LegId(1), "a");
    let repeated: Vec<_> = trace.messages_of(&[1]).0.iter().map(|m| m.is_repeated).collect();
    assert_eq!(repeated, [false, false, true]);
}

#[test]
fn what_belongs_to_no_call_is_not_kept() {
    let trace = trace(10);
    for start in ["REGISTER x", "OPTIONS x", "BYE x", "SIP/2.0 200 OK"] {
        receive(&trace, start, start);
    }
    trace.note(clock::now(), true, flow(5060), &Bytes::from_static(b"INVITE x SIP/2.0\r\n\r\n"));
    assert_eq!(counter(&trace, "sip_trace_dialogs"), 0);
    let none = super::Trace::new(0, Vec::new());
    receive(&none, "INVITE x", "a");
    none.claim(LegId(1), "a");
    assert_eq!(counter(&none, "sip_trace_dialogs"), 0);
}

#[test]
fn the_newest_calls_stay_and_strangers_push_out_strangers_only() {
    let trace = trace(200);
    for leg in 0..500_u64 {
        receive(&trace, "INVITE x", &format!("call {leg}"));
        trace.claim(LegId(leg), &format!("call {leg}"));
    }
    for stranger in 0..1_000 {
        receive(&trace, "INVITE x", &format!("stranger {stranger}"));
    }
    assert!(starts(&trace, &[99]).is_empty());
    assert_eq!(starts(&trace, &(100..500).collect::<Vec<_>>()).len(), MAX_LEGS_ASKED);
    assert_eq!(starts(&trace, &[100, 499]), ["INVITE", "INVITE"]);
    assert_eq!(counter(&trace, "sip_trace_dialogs"), 400 + MAX_STRANGERS as u64);
    let kept = lock(&trace.kept);
    assert_eq!((kept.by_leg.len(), kept.called.len()), (400, 400));
}

#[test]
fn of_a_long_dialog_the_beginning_and_the_end_stay() {
    let trace = trace(10);
    receive(&trace, "INVITE x", "a");
    trace.claim(LegId(1), "a");
    for _ in 0..500 {
        receive(&trace, "INFO x", "a");
    }
    receive(&trace, "BYE x", "a");
    let starts = starts(&trace, &[1]);
    assert_eq!((starts.len(), starts[0].as_str(), starts[99].as_str()), (100, "INVITE", "BYE"));
    assert_eq!(trace.messages_of(&[1]).1, 402);
    assert_eq!(counter(&trace, "sip_trace_left_out"), 402);
}

#[test]
fn all_together_have_a_limit_of_bytes_that_is_counted_rightly() {
    let trace = trace(2);
    let body = "x".repeat(60_000);
    for leg in 0..20_u64 {
        receive(&trace, &format!("INVITE {body}"), &format!("{leg}"));
        trace.claim(LegId(leg), &format!("{leg}"));
        receive(&trace, &format!("INVITE {body}"), &format!("stranger {leg}"));
    }
    assert!(counter(&trace, "sip_trace_bytes") <= 4 * MEAN_BYTES as u64);
    let kept = lock(&trace.kept);
    let sum: usize = kept.dialogs.values().flat_map(|d| &d.messages).map(|m| m.bytes.len()).sum();
    assert_eq!(kept.bytes, sum);
    assert_eq!(kept.dialogs.len(), kept.called.len() + kept.strangers.len());
}
