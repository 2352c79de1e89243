//! Keys of the keypad as INFO: phones that do not know RFC 4733 send and take them so.

use std::time::Instant;

use super::{Endpoint, Event, LegId};
use crate::dialog;
use crate::leg::LegState;
use crate::transaction::Owner;
use crate::way;
use crate::wire::{HeaderName, Method, Request};

impl Endpoint {
    /// Sends one key of "0123456789*#ABCD". What comes of it matters only to how many may follow: a far end that answers
    /// none of them is sent no more.
    pub(super) fn press_key(&mut self, now: Instant, id: LegId, key: char) {
        let user_agent = self.config.user_agent.clone();
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.state == LegState::Confirmed)
        else {
            return;
        };
        if leg.unanswered_keys >= MAX_UNANSWERED_KEYS {
            self.counters.keys_unsent += 1;
            return;
        }
        leg.unanswered_keys += 1;
        let mut info = dialog::request(leg, Method::Info);
        info.headers.push(HeaderName::UserAgent, user_agent);
        info.headers.push(HeaderName::ContentType, RELAY);
        info.body = format!("Signal={key}\r\nDuration={PRESS_MS}\r\n").into();
        let flow = way::of_leg(leg);
        self.open_client(now, flow, info, Owner::Key(id));
    }

    /// A key was answered, or will not be.
    pub(super) fn on_key_done(&mut self, id: LegId) {
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.unanswered_keys = leg.unanswered_keys.saturating_sub(1);
        }
    }

    /// Keys as INFO, in both forms that phones use. One without a body is a sign of life (RFC 2976 §2.2), and a flash of
    /// the hook asks for nothing that we have: both are taken, and nobody is told.
    pub(super) fn on_info(&mut self, now: Instant, id: LegId, server: u64, request: &Request) {
        let kind = request.headers.text(&HeaderName::ContentType).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        let body = String::from_utf8_lossy(&request.body);
        let signal = match kind.as_str() {
            _ if body.is_empty() => return self.respond_plainly(now, server, request, 200, &[]),
            "application/hook-flash" => Some(FLASH[0]),
            RELAY => signal_of(&body),
            PLAIN => Some(body.trim()),
            _ => {
                let taken = (HeaderName::Accept, format!("{RELAY}, {PLAIN}"));
                return self.respond_plainly(now, server, request, 415, &[taken]);
            }
        };
        let key = signal.and_then(parse_key);
        let is_flash = signal.is_some_and(|s| FLASH.iter().any(|f| f.eq_ignore_ascii_case(s)));
        let status = if key.is_some() || is_flash { 200 } else { 400 };
        self.respond_plainly(now, server, request, status, &[]);
        if let Some(key) = key {
            self.tell(now, Event::KeyPressed(id, key));
        }
    }
}

/// What `application/dtmf-relay` says was pressed.
fn signal_of(body: &str) -> Option<&str> {
    let mut pairs = body.lines().filter_map(|line| line.split_once('='));
    let (_, signal) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("signal"))?;
    Some(signal.trim())
}

fn parse_key(text: &str) -> Option<char> {
    let key = match text {
        "10" => '*',
        "11" => '#',
        _ => text.chars().next().filter(|_| text.chars().count() == 1)?.to_ascii_uppercase(),
    };
    "0123456789*#ABCD".contains(key).then_some(key)
}

const RELAY: &str = "application/dtmf-relay";
const PLAIN: &str = "application/dtmf";

/// How phones spell a flash of the hook: by name, as on old keypads, or by its number (RFC 2833 §3.10).
const FLASH: [&str; 4] = ["flash", "hf", "!", "16"];

/// How long a key is said to be held: well above the 40 ms of ITU-T Q.24.
const PRESS_MS: u32 = 160;

/// Keys on their way to one leg: as many as a number has that is typed ahead.
const MAX_UNANSWERED_KEYS: u8 = 16;
