//! What a call leaves in memory for the 32 seconds that its transactions live.

use super::*;

/// An estimate: structures, keys and kept messages, with what the tables themselves take.
fn kept_bytes(endpoint: &Endpoint) -> usize {
    let servers = endpoint
        .servers
        .values()
        .map(|server| size_of_val(server) + 2 * server.key.len() + server.last.len() + TABLE_BYTES);
    let clients = endpoint.clients.values().map(|client| {
        let acks = client.acks.iter().map(|a| size_of_val(a) + a.tag.len() + a.ack.len());
        let request = client.request.as_ref().map_or(0, |request| request.to_bytes().len() * 3);
        let kept = client.branch.len() + client.bytes.len() + request + acks.sum::<usize>();
        size_of_val(client) + kept + TABLE_BYTES
    });
    let timers = endpoint.timers.len() * TIMER_BYTES;
    servers.sum::<usize>() + clients.sum::<usize>() + timers
}

/// Entries of hash tables that are half full: number, hash, slack.
const TABLE_BYTES: usize = 64;
/// Time, serial and what is due.
const TIMER_BYTES: usize = 56;

#[test]
fn a_finished_call_keeps_less_than_4_kilobytes() {
    const CALLS: usize = 20;
    let mut desk = Desk::new();
    for i in 0..CALLS as u64 {
        let (leg, mut caller) = desk.talking();
        let target =
            Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "1".into() };
        let other = LegId(FIRST_DIALLED_LEG + i);
        let (who, rtp) = (CallerId::default(), peer("192.0.2.1:4002"));
        let offer_of = Some(leg);
        desk.command(Command::Dial { leg: other, target, caller: who, offer_of, rtp });
        let invite = desk.one_request();
        let mut ok = invite.response(200, "OK", Some("far"));
        ok.headers.push(HeaderName::Contact, format!("<sip:far@{CARRIER}>"));
        ok.body = SDP.into();
        desk.hear(CARRIER, ok.to_bytes());
        desk.sent();
        desk.hear(CARRIER, caller.next("BYE", "", ""));
        desk.sent();
        let (status, by) = (200, EndedBy::Us);
        desk.command(Command::HangUp { leg: other, status, reason: String::new(), by });
        let bye = desk.one_request();
        desk.hear(CARRIER, bye.response(200, "OK", None).to_bytes());
        desk.events();
    }
    assert_eq!(desk.endpoint.counters().legs, 0);
    let per_call = kept_bytes(&desk.endpoint) / CALLS;
    println!("a finished call of two legs keeps about {per_call} bytes");
    assert!(per_call < 4096, "{per_call}");
    desk.assert_empty_after(64);
}
