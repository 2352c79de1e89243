//! Races searched: the exchange and a phone that does whatever the RFCs allow at any moment, over a network that
//! loses, doubles and reorders. Whatever happens, both sides agree in the end on which calls there are and on what
//! was described last in each, each leg ends once, and nothing is left.
//!
//! `TANDEM_RACES=10000` searches so many seeds instead of a few hundred, `TANDEM_RACE=SEED` plays one again and prints
//! each message.

use std::collections::{BTreeMap, HashMap};

use super::network::Dice;
use super::wild_phone::{self, State, WildPhone};
use super::*;
use crate::leg::LegState;

struct Race {
    seed: u64,
    exchange: Endpoint,
    phone: WildPhone,
    now: Instant,
    dice: Dice,
    loss_percent: u64,
    /// How often each message was lost: what is repeated gets through before anybody gives up.
    lost: HashMap<String, u32>,
    plans: BTreeMap<(Instant, u64), Plan>,
    serial: u64,
    messages: u64,
    dialled: u64,
    binding: u64,
    /// Legs that have begun, with their ends.
    legs: BTreeMap<LegId, Option<LegEnd>>,
    /// How often each status and method was sent.
    seen: BTreeMap<String, u32>,
    /// Calls that both knew of when they had calmed down.
    agreed: usize,
    is_calm: bool,
    is_told: bool,
}

enum Plan {
    ToExchange(Bytes),
    ToPhone(Bytes),
    Command(Command),
    PhoneActs,
    DialFor(LegId),
}

impl Race {
    fn new(seed: u64) -> Self {
        let now = crate::timers::tests::epoch();
        let mut exchange = Endpoint::new(config(US), [seed as u8; 32], now);
        exchange.handle_command(now, Command::SetAccounts(accounts(vec![account("anna", "pw")])));
        let carrier = Trunk { early_media: true, ..trunk("carrier", wild_phone::AT) };
        exchange.handle_command(now, Command::SetTrunks(vec![carrier]));
        exchange.handle_command(now, Command::RestoreBindings(vec![restored()]));
        let mut race = Self {
            seed,
            exchange,
            phone: WildPhone::new(seed),
            now,
            dice: Dice((seed ^ 0x5eed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            loss_percent: [0, 5, 20, 40][seed as usize % 4],
            lost: HashMap::new(),
            plans: BTreeMap::new(),
            serial: 0,
            messages: 0,
            dialled: 0,
            binding: 0,
            legs: BTreeMap::new(),
            seen: BTreeMap::new(),
            agreed: 0,
            is_calm: false,
            is_told: std::env::var_os("TANDEM_RACE").is_some(),
        };
        race.settle();
        race
    }

    fn plan_in_ms(&mut self, ms: u64, plan: Plan) {
        self.serial += 1;
        self.plans.insert((self.now + Duration::from_millis(ms), self.serial), plan);
    }

    fn command_in_ms(&mut self, ms: u64, command: Command) {
        self.plan_in_ms(ms, Plan::Command(command));
    }

    fn command(&mut self, command: Command) {
        self.exchange.handle_command(self.now, command);
        self.settle();
    }

    /// Brings what both have to say onto the network, and events to whoever decides.
    fn settle(&mut self) {
        while let Some(transmit) = self.exchange.poll_transmit() {
            assert_eq!(transmit.flow.peer, peer(wild_phone::AT), "seed {}", self.seed);
            self.carry(false, transmit.bytes);
        }
        while let Some(bytes) = self.phone.poll_transmit() {
            self.carry(true, bytes);
        }
        while let Some(dated) = self.exchange.poll_event() {
            self.note(dated.event);
        }
    }

    fn carry(&mut self, to_exchange: bool, bytes: Bytes) {
        self.messages += 1;
        let text = String::from_utf8_lossy(&bytes);
        let mut words = text.split(' ');
        let what = [words.next(), words.next()].into_iter().flatten();
        let what = what.map(str::to_owned).find(|word| word != "SIP/2.0").unwrap_or_default();
        *self.seen.entry(what).or_default() += 1;
        let copies = if self.dice.percent(5) { 2 } else { 1 };
        for _ in 0..copies {
            let is_lost = self.dice.percent(self.loss_percent);
            let lost = self.lost.entry(identity(&bytes)).or_default();
            if is_lost && *lost < 2 {
                *lost += 1;
                self.say(to_exchange, "lost", &bytes);
                continue;
            }
            let delay = 1 + self.dice.below(300);
            let bytes = bytes.clone();
            let plan = if to_exchange { Plan::ToExchange(bytes) } else { Plan::ToPhone(bytes) };
            self.plan_in_ms(delay, plan);
        }
    }

    fn say(&self, to_exchange: bool, what: &str, bytes: &Bytes) {
        if self.is_told {
            let text = String::from_utf8_lossy(bytes);
            let field = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or("");
            let at = self.now.duration_since(crate::timers::tests::epoch()).as_secs_f64();
            let arrow = if to_exchange { "-->" } else { "<--" };
            let first = text.lines().next().unwrap_or("");
            println!(
                "{at:9.3} {arrow} {what:5} {first} | {} | {}",
                field("Call-ID"),
                field("CSeq")
            );
        }
    }

    fn note(&mut self, event: Event) {
        let (seed, what) = (self.seed, format!("{event:?}"));
        let alive = |race: &Self, leg: LegId| {
            assert_eq!(race.legs.get(&leg), Some(&None), "seed {seed}: {what} of {leg:?}");
        };
        match event {
            Event::Incoming(incoming) => {
                let old = self.legs.insert(incoming.leg, None);
                assert!(old.is_none(), "seed {seed}: announced twice");
                self.decide(incoming.leg);
            }
            Event::Ended(leg, end) => {
                alive(self, leg);
                self.legs.insert(leg, Some(end));
            }
            Event::Ringing(leg) | Event::Answered(leg) | Event::MediaAgreed(leg, ..) => {
                alive(self, leg);
            }
            Event::KeyPressed(leg, _) => alive(self, leg),
            Event::EarlyMedia { leg, listener } => {
                alive(self, leg);
                let rtp = peer("192.0.2.1:4000");
                self.command_in_ms(0, Command::Progress { leg: listener, like: leg, rtp });
            }
            Event::TransferAsked { leg, instead_of, .. } => {
                alive(self, leg);
                instead_of.into_iter().for_each(|other| alive(self, other));
                self.transfer(leg);
            }
            Event::RegistrationChanged { bindings, .. } => {
                self.binding = bindings.first().map_or(self.binding, |binding| binding.id);
            }
            other => panic!("seed {seed}: {other:?}"),
        }
    }

    fn decide(&mut self, leg: LegId) {
        let first = self.dice.below(1_500);
        if self.dice.percent(40) {
            self.plan_in_ms(first, Plan::DialFor(leg));
        }
        if self.dice.percent(60) {
            self.command_in_ms(first, Command::Ring(leg));
        }
        let then = first + self.dice.below(4_000);
        match self.dice.below(10) {
            0 => {}
            1 => {
                let reason = String::new();
                let reject = Command::Reject { leg, status: 486, reason, retry_after_s: None };
                self.command_in_ms(then, reject);
            }
            _ => {
                let answer = Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") };
                self.command_in_ms(then, answer);
            }
        }
        if self.dice.percent(50) {
            let later = first + self.dice.below(150_000);
            self.command_in_ms(later, hang_up(leg));
        }
    }

    /// Some transfers nobody takes up.
    fn transfer(&mut self, leg: LegId) {
        let mut when = self.dice.below(2_000);
        if self.dice.percent(10) {
            return;
        }
        let last = [200, 486, 503][self.dice.below(3) as usize];
        for status in [100, 180, last] {
            self.command_in_ms(when, Command::TellTransfer { leg, status });
            when += self.dice.below(20_000);
        }
    }

    fn dial(&mut self) {
        let legs: Vec<_> = self.exchange.legs.keys().copied().collect();
        let like = self.dice.below(2 * legs.len() as u64 + 1) as usize;
        self.dial_for(legs.get(like).copied());
    }

    fn dial_for(&mut self, served: Option<LegId>) {
        if self.is_calm {
            return;
        }
        let leg = LegId(FIRST_DIALLED_LEG + self.dialled);
        self.dialled += 1;
        self.legs.insert(leg, None);
        let target = match self.dice.below(2) {
            0 => Target::Binding(self.binding),
            _ => Target::Trunk {
                company: "demo".into(),
                trunk: "carrier".into(),
                number: "+7916".into(),
            },
        };
        self.command(Command::Dial {
            leg,
            target,
            caller: CallerId { number: "102".into(), name: String::new(), ..CallerId::default() },
            offer_of: served,
            rtp: peer("192.0.2.1:4002"),
        });
        if self.dice.percent(60) {
            let later = self.dice.below(150_000);
            self.command_in_ms(later, hang_up(leg));
        }
    }

    fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        loop {
            let due = [self.exchange.poll_timeout(), self.phone.poll_timeout()];
            let plan = self.plans.keys().next().map(|(at, _)| *at);
            let next = due.into_iter().flatten().chain(plan).min().filter(|at| *at <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.exchange.handle_timeout(self.now);
            self.phone.handle_timeout(self.now);
            self.settle();
            while let Some(entry) = self.plans.first_entry().filter(|e| e.key().0 <= self.now) {
                let plan = entry.remove();
                self.play(plan);
                self.settle();
            }
        }
        self.now = until;
    }

    fn play(&mut self, plan: Plan) {
        match plan {
            Plan::ToExchange(bytes) => {
                self.say(true, "", &bytes);
                self.exchange.handle_message(self.now, udp(wild_phone::AT), bytes);
            }
            Plan::ToPhone(bytes) => {
                self.say(false, "", &bytes);
                self.phone.handle_message(self.now, bytes);
            }
            Plan::Command(command) => {
                if !self.is_calm || matches!(command, Command::TellTransfer { .. }) {
                    self.exchange.handle_command(self.now, command);
                }
            }
            Plan::PhoneActs => self.phone.act(self.now),
            Plan::DialFor(leg) => self.dial_for(Some(leg)),
        }
    }

    /// Calls in both directions, and whatever comes to anybody's mind meanwhile.
    fn live(&mut self) {
        for _ in 0..6 {
            if self.dice.percent(50) {
                self.dial()
            } else {
                self.phone.call(self.now)
            }
            self.settle();
            for _ in 0..self.dice.below(40) {
                let when = self.dice.below(80_000);
                self.plan_in_ms(when, Plan::PhoneActs);
            }
            let pause = self.dice.below(15_000);
            self.run(Duration::from_millis(pause));
        }
        self.run(Duration::from_secs(80));
    }

    /// Nobody begins anything any more, and the network is good: what is under way comes to its end.
    fn calm_down(&mut self) {
        self.is_calm = true;
        self.phone.is_calm = true;
        self.loss_percent = 0;
        let unanswered = self.exchange.legs.iter().filter(|(_, leg)| {
            !matches!(leg.state, LegState::Confirmed | LegState::Accepted | LegState::Leaving)
        });
        let unanswered: Vec<_> = unanswered.map(|(id, _)| *id).collect();
        for leg in unanswered {
            self.command(hang_up(leg));
        }
        self.run(Duration::from_secs(100));
        // Sessions are refreshed from time to time: not just then.
        while !self.plans.is_empty() {
            self.run(Duration::from_millis(100));
        }
    }

    /// Both know of the same calls, and mean the same by them.
    fn assert_agreed(&mut self) {
        let seed = self.seed;
        self.agreed = self.exchange.legs.len();
        let theirs = |call_id: &str, tag: &str| {
            self.phone
                .dialogs
                .iter()
                .find(|d| d.call_id == call_id && d.local_tag == tag && d.state == State::Confirmed)
        };
        for (id, leg) in &self.exchange.legs {
            assert_eq!(leg.state, LegState::Confirmed, "seed {seed}: {id:?} {}", leg.call_id);
            let tag = leg.remote_tag.as_deref().unwrap_or("");
            let Some(dialog) = theirs(&leg.call_id, tag) else {
                panic!("seed {seed}: the phone knows nothing of {id:?} {}", leg.call_id)
            };
            let port = leg.agreed.as_ref().map(|agreed| agreed.rtp.port());
            assert_eq!(port, Some(dialog.port), "seed {seed}: {id:?} {}", leg.call_id);
        }
        let talking = self.phone.dialogs.iter().filter(|d| d.state == State::Confirmed);
        for dialog in talking {
            let is_it = |leg: &&crate::leg::Leg| {
                leg.call_id == dialog.call_id
                    && leg.remote_tag.as_deref() == Some(dialog.local_tag.as_str())
            };
            let known = self.exchange.legs.values().find(is_it);
            assert!(known.is_some(), "seed {seed}: only the phone knows of {dialog:?}");
            assert_eq!(dialog.transfers, 0, "seed {seed}: a transfer without an end: {dialog:?}");
        }
    }

    /// Everybody hangs up; nothing is left of anything.
    fn end(&mut self) {
        let legs: Vec<_> = self.exchange.legs.keys().copied().collect();
        for leg in legs {
            if self.dice.percent(50) {
                self.command(hang_up(leg));
            }
        }
        self.phone.hang_up_all(self.now);
        self.settle();
        self.run(Duration::from_secs(1_000));
    }

    fn assert_empty(&self) {
        let seed = self.seed;
        for (leg, end) in &self.legs {
            assert!(end.is_some(), "seed {seed}: {leg:?} never ended");
        }
        let counters = self.exchange.counters();
        let left = (counters.legs, counters.server_transactions, counters.client_transactions);
        assert_eq!(left, (0, 0, 0), "seed {seed}");
        assert!(counters.timers <= counters.bindings, "seed {seed}: {} timers", counters.timers);
        assert!(self.exchange.merges.is_empty() && self.exchange.undecided.is_empty());
        assert_eq!(counters.malformed, 0, "seed {seed}");
        assert!(self.phone.is_idle(), "seed {seed}: the phone still waits");
        assert_eq!(self.phone.unanswered, [""; 0], "seed {seed}");
        let bound = 60 * (self.phone.actions + self.phone.dialogs.len() as u64) + 600;
        assert!(self.messages < bound, "seed {seed}: {} messages", self.messages);
    }
}

/// What a message and its repetitions have in common: a challenge has another nonce each time.
fn identity(bytes: &Bytes) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().filter(|line| !line.starts_with("Proxy-Authenticate")).collect()
}

fn restored() -> RestoredBinding {
    RestoredBinding {
        company: "demo".into(),
        device: "anna-desk".into(),
        contact: format!("sip:anna@{}", wild_phone::AT),
        source: peer(wild_phone::AT),
        transport: Transport::Udp,
        expires_in: Duration::from_secs(3_600),
        call_id: "r".into(),
        cseq: 1,
        user_agent: String::new(),
        path: Vec::new(),
        instance: None,
    }
}

fn hang_up(leg: LegId) -> Command {
    Command::HangUp { leg, status: 480, reason: "enough".into(), by: EndedBy::Us }
}

fn race(seed: u64) -> Race {
    let mut race = Race::new(seed);
    race.live();
    race.calm_down();
    race.assert_agreed();
    race.end();
    race.assert_empty();
    race
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn both_sides_agree_whatever_crosses() {
    if let Some(seed) = number("TANDEM_RACE") {
        race(seed);
        return;
    }
    let (mut agreed, mut seen) = (0, BTreeMap::new());
    for seed in 1..=number("TANDEM_RACES").unwrap_or(500) {
        let race = race(seed);
        agreed += race.agreed;
        for (what, count) in race.seen {
            *seen.entry(what).or_insert(0) += count;
        }
    }
    // A search in which nothing happens finds nothing.
    assert!(agreed > 100, "{agreed} calls");
    for what in
        ["INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "INFO", "OPTIONS", "PRACK", "REFER", "NOTIFY"]
    {
        assert!(seen.contains_key(what), "{what}: {seen:?}");
    }
    for status in [100, 180, 183, 200, 202, 302, 407, 480, 481, 486, 487, 488, 491, 603] {
        assert!(seen.contains_key(&status.to_string()), "{status}: {seen:?}");
    }
}
