//! Two endpoints, one as exchange and one as phone, over a network that loses, doubles and reorders: whatever
//! happens, each leg ends exactly once and last, both sides agree, and nothing is left.

use std::collections::{BTreeMap, HashMap};

use super::*;

const PHONE_AT: &str = "203.0.113.5:5060";

/// A small deterministic generator: chance is an argument.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Side {
    Exchange,
    Phone,
}

impl Side {
    fn index(self) -> usize {
        self as usize
    }

    fn address(self) -> &'static str {
        [US, PHONE_AT][self.index()]
    }

    fn other(self) -> Self {
        if self == Self::Exchange { Self::Phone } else { Self::Exchange }
    }
}

/// What became of one leg.
#[derive(Debug, Default)]
struct Story {
    call_id: String,
    answered: bool,
    end: Option<LegEnd>,
}

enum Plan {
    Hear(Side, Bytes),
    Act(Side, Command),
}

struct World {
    ends: [Endpoint; 2],
    now: Instant,
    dice: Dice,
    loss_percent: u64,
    plans: BTreeMap<(Instant, u64), Plan>,
    serial: u64,
    messages: u64,
    dialled: u64,
    binding: Option<u64>,
    registered: u32,
    stories: HashMap<(Side, LegId), Story>,
}

impl World {
    fn new(seed: u64, loss_percent: u64) -> Self {
        let now = crate::timers::tests::epoch();
        let ends = [US, PHONE_AT].map(|address| {
            let seed = [seed as u8 ^ address.len() as u8; 32];
            Endpoint::new(config(address), seed, now)
        });
        let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut world = Self {
            ends,
            now,
            dice,
            loss_percent,
            plans: BTreeMap::new(),
            serial: 0,
            messages: 0,
            dialled: 0,
            binding: None,
            registered: 0,
            stories: HashMap::new(),
        };
        let exchange = Trunk {
            credentials: Some(credentials("anna", REALM, "pw")),
            domain: REALM.to_owned(),
            register: true,
            expires: Duration::from_secs(120),
            ..trunk("exchange", US)
        };
        world.act(Side::Exchange, Command::SetAccounts(accounts(vec![account("anna", "pw")])));
        world.act(Side::Phone, Command::SetTrunks(vec![exchange]));
        world
    }

    fn plan(&mut self, at: Instant, plan: Plan) {
        self.serial += 1;
        self.plans.insert((at, self.serial), plan);
    }

    fn plan_in_ms(&mut self, ms: u64, side: Side, command: Command) {
        self.plan(self.now + Duration::from_millis(ms), Plan::Act(side, command));
    }

    fn act(&mut self, side: Side, command: Command) {
        self.ends[side.index()].handle_command(self.now, command);
        self.settle(side);
    }

    /// Takes what a side has to say: onto the network, into the stories.
    fn settle(&mut self, side: Side) {
        while let Some(transmit) = self.ends[side.index()].poll_transmit() {
            assert_eq!(transmit.flow.peer, peer(side.other().address()));
            self.messages += 1;
            let copies = if self.dice.percent(5) { 2 } else { 1 };
            for _ in 0..copies {
                if !self.dice.percent(self.loss_percent) {
                    let delay = Duration::from_millis(1 + self.dice.below(300));
                    let plan = Plan::Hear(side.other(), transmit.bytes.clone());
                    self.plan(self.now + delay, plan);
                }
            }
        }
        while let Some(dated) = self.ends[side.index()].poll_event() {
            assert_eq!(dated.at, self.now);
            self.note(side, dated.event);
        }
    }

    fn note(&mut self, side: Side, event: Event) {
        let alive = |world: &mut Self, leg: LegId| {
            let story = world.stories.get(&(side, leg)).expect("a leg that was begun");
            assert_eq!(story.end, None, "something after the end");
        };
        match event {
            Event::Incoming(incoming) => {
                let leg = incoming.leg;
                let story = Story { call_id: incoming.call_id, ..Story::default() };
                assert!(self.stories.insert((side, leg), story).is_none(), "announced twice");
                self.decide(side, leg);
            }
            Event::Ringing(leg)
            | Event::EarlyMedia { leg, .. }
            | Event::MediaAgreed(leg, ..)
            | Event::KeyPressed(leg, _) => {
                alive(self, leg);
            }
            Event::Answered(leg) => {
                alive(self, leg);
                let story = self.stories.get_mut(&(side, leg)).unwrap();
                assert!(!std::mem::replace(&mut story.answered, true), "answered twice");
            }
            Event::Ended(leg, end) => {
                alive(self, leg);
                self.stories.get_mut(&(side, leg)).unwrap().end = Some(end);
            }
            Event::RegistrationChanged { bindings, .. } => {
                self.binding = bindings.first().map(|binding| binding.id);
            }
            Event::RegistrationsRefreshed(bindings) => {
                assert!(bindings.iter().all(|(id, _)| self.binding == Some(*id)), "not told of");
            }
            Event::TrunkChanged(_) => self.registered += 1,
            Event::Tried(..) => panic!("there is one server"),
            Event::WrongPasswords { .. } => panic!("everybody knows the password"),
            Event::SourceBanned { .. } | Event::BanLifted(_) => panic!("nobody does wrong"),
            Event::Malformed { .. } => panic!("everybody writes well"),
            Event::Proven(_) => panic!("there are no connections here"),
            Event::TransferAsked { .. } => panic!("nobody asks for a transfer"),
        }
    }

    /// The called side does this or that, sometimes too late or never.
    fn decide(&mut self, side: Side, leg: LegId) {
        let first = self.dice.below(1_000);
        if self.dice.percent(60) {
            self.plan_in_ms(first, side, Command::Ring(leg));
        }
        let rtp = peer(&format!("{}:4000", peer(side.address()).ip()));
        let then = first + self.dice.below(8_000);
        match self.dice.below(10) {
            0 => {}
            1 => {
                let (reason, retry_after_s) = (String::new(), None);
                let command = Command::Reject { leg, status: 486, reason, retry_after_s };
                self.plan_in_ms(then, side, command);
            }
            _ => self.plan_in_ms(then, side, Command::Answer { leg, like: None, rtp }),
        }
        if self.dice.percent(60) {
            let later = first + self.dice.below(12_000);
            self.plan_in_ms(later, side, hang_up(leg));
        }
    }

    fn dial(&mut self, side: Side) {
        let target = match (side, self.binding) {
            (Side::Exchange, None) => return,
            (Side::Exchange, Some(binding)) => Target::Binding(binding),
            (Side::Phone, _) => {
                let number = "102".to_owned();
                Target::Trunk { company: "demo".into(), trunk: "exchange".into(), number }
            }
        };
        let leg = LegId(FIRST_DIALLED_LEG + self.dialled);
        self.dialled += 1;
        self.stories.insert((side, leg), Story::default());
        let caller = CallerId { number: "anna".into(), name: "Anna".into(), ..CallerId::default() };
        let rtp = peer(&format!("{}:4000", peer(side.address()).ip()));
        self.act(side, Command::Dial { leg, target, caller, offer_of: None, rtp });
        if let Some(known) = self.ends[side.index()].legs.get(&leg) {
            let call_id = known.call_id.clone();
            self.stories.get_mut(&(side, leg)).unwrap().call_id = call_id;
        }
        if self.dice.percent(70) {
            let later = self.dice.below(12_000);
            self.plan_in_ms(later, side, hang_up(leg));
        }
    }

    /// Lets virtual time pass.
    fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        loop {
            let due = self.ends.iter().filter_map(Endpoint::poll_timeout).min();
            let plan = self.plans.keys().next().map(|(at, _)| *at);
            let next = [due, plan].into_iter().flatten().min().filter(|at| *at <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            for side in [Side::Exchange, Side::Phone] {
                self.ends[side.index()].handle_timeout(self.now);
                self.settle(side);
            }
            while let Some(entry) = self.plans.first_entry().filter(|e| e.key().0 <= self.now) {
                match entry.remove() {
                    Plan::Act(side, command) => self.act(side, command),
                    Plan::Hear(side, bytes) => {
                        let flow = udp(side.other().address());
                        self.ends[side.index()].handle_message(self.now, flow, bytes);
                        self.settle(side);
                    }
                }
            }
        }
        self.now = until;
    }

    /// What holds after everything is over.
    fn assert_sane(&self, seed: u64) {
        for ((side, leg), story) in &self.stories {
            assert!(story.end.is_some(), "seed {seed}: {side:?} {leg:?} never ended: {story:?}");
        }
        let by_call = |side: Side, call_id: &str| {
            let found = self.stories.iter().find(|((s, _), t)| *s == side && t.call_id == call_id);
            found.map(|((_, leg), story)| (*leg, story))
        };
        for ((side, leg), story) in
            self.stories.iter().filter(|((_, leg), _)| leg.0 < FIRST_DIALLED_LEG)
        {
            let (_, dialler) = by_call(side.other(), &story.call_id).expect("somebody dialled");
            // Who is called learns of the answer by the ACK of who has it; or who gave up acknowledges only to end.
            let gave_up = dialler.end.as_ref().is_some_and(|end| end.by != EndedBy::Peer);
            assert!(
                !story.answered || dialler.answered || gave_up,
                "seed {seed}: {leg:?} {story:?} {dialler:?}"
            );
        }
        for end in &self.ends {
            let counters = end.counters();
            let left = (counters.legs, counters.server_transactions, counters.client_transactions);
            assert_eq!((left, counters.timers), ((0, 0, 0), 0), "seed {seed}");
            assert!(end.merges.is_empty() && end.undecided.is_empty(), "seed {seed}");
            assert_eq!(counters.malformed, 0, "seed {seed}");
        }
        let bound = 400 + 60 * self.dialled;
        assert!(self.messages < bound, "seed {seed}: {} messages", self.messages);
    }
}

fn hang_up(leg: LegId) -> Command {
    Command::HangUp { leg, status: 480, reason: "enough".into(), by: EndedBy::Us }
}

fn live(seed: u64, loss_percent: u64) -> World {
    let mut world = World::new(seed, loss_percent);
    world.run(Duration::from_secs(20));
    for _ in 0..8 {
        let side = if world.dice.percent(50) { Side::Exchange } else { Side::Phone };
        world.dial(side);
        let pause = world.dice.below(4_000);
        world.run(Duration::from_millis(pause));
    }
    world.run(Duration::from_secs(60));
    let legs: Vec<_> = world.stories.keys().copied().collect();
    for (side, leg) in legs {
        if world.ends[side.index()].legs.contains_key(&leg) {
            world.act(side, hang_up(leg));
        }
    }
    world.run(Duration::from_secs(300));
    world.act(Side::Phone, Command::Shutdown);
    world.act(Side::Exchange, Command::Shutdown);
    world.run(Duration::from_secs(7_200));
    world
}

#[test]
fn whatever_the_network_does_each_leg_ends_once_and_nothing_is_left() {
    for seed in 1..=300 {
        let loss_percent = [0, 5, 15, 30][seed as usize % 4];
        live(seed, loss_percent).assert_sane(seed);
    }
}

#[test]
fn over_a_good_network_calls_are_answered_and_both_sides_know() {
    let (mut answered, mut calls) = (0, 0);
    for seed in 1..=20 {
        let world = live(seed, 0);
        world.assert_sane(seed);
        assert!(world.registered >= 1);
        for ((_, leg), story) in &world.stories {
            calls += u32::from(leg.0 >= FIRST_DIALLED_LEG);
            answered += u32::from(leg.0 >= FIRST_DIALLED_LEG && story.answered);
        }
    }
    assert!(answered * 4 > calls && answered < calls, "{answered} of {calls}");
}

#[test]
fn one_seed_is_one_run() {
    let summary = |world: &World| (world.messages, world.dialled, world.stories.len());
    assert_eq!(summary(&live(5, 15)), summary(&live(5, 15)));
}
