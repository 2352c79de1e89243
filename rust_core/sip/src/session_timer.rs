//! The session timer of a leg (RFC 4028): a call whose far end silently vanished ends by itself.

use std::time::{Duration, Instant};

use crate::wire::{HeaderName, Headers, Params};

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SessionTimer {
    /// So long after a refresh the session is over.
    pub(crate) interval: Duration,
    /// Whether refreshing is up to us.
    pub(crate) is_ours: bool,
    pub(crate) refreshed_at: Instant,
}

/// What holds after a 2xx, and the headers by which it says so. `None` where there is no session timer.
pub(crate) type Answered = Option<(SessionTimer, Vec<(HeaderName, String)>)>;

/// What a sweep finds to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Duty {
    Nothing,
    Refresh,
    End,
}

/// Who may refresh, as a header says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refresher {
    Uac,
    Uas,
}

/// Session-Expires (§4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct SessionExpires {
    interval: Duration,
    refresher: Option<Refresher>,
}

impl SessionTimer {
    /// What is due. The far end gets until shortly before the end of the interval (§10).
    pub(crate) fn duty(&self, now: Instant) -> Duty {
        let age = now.saturating_duration_since(self.refreshed_at);
        match age {
            _ if age >= self.interval - END_BEFORE.min(self.interval / 3) => Duty::End,
            _ if self.is_ours && age >= self.interval / 2 => Duty::Refresh,
            _ => Duty::Nothing,
        }
    }

    /// Answers a request (§9): what holds from now on, and the headers of the 2xx.
    ///
    /// # Errors
    /// The interval that we demand, for a 422.
    pub(crate) fn of_request(request: &Headers, now: Instant) -> Result<Answered, Duration> {
        let supports = request.has_token(&HeaderName::Supported, "timer")
            || request.has_token(&HeaderName::Require, "timer");
        let asked = session_expires(request);
        // Who doesn't know the extension would not understand a 422 either: a proxy asks for it (§5).
        if supports && asked.is_some_and(|asked| asked.interval < MIN_SE) {
            return Err(MIN_SE);
        }
        let (interval, refresher) = match (asked, supports) {
            (Some(asked), true) => (asked.interval, asked.refresher.unwrap_or(Refresher::Uac)),
            (Some(asked), false) => (asked.interval.max(MIN_SE), Refresher::Uas),
            (None, true) => (OUR_INTERVAL, Refresher::Uac),
            (None, false) => return Ok(None),
        };
        let interval = interval.min(MAX_SE);
        let mut headers = vec![session_expires_header(interval, Some(refresher))];
        if refresher == Refresher::Uac {
            headers.push((HeaderName::Require, "timer".to_owned()));
        }
        let is_ours = refresher == Refresher::Uas;
        Ok(Some((Self { interval, is_ours, refreshed_at: now }, headers)))
    }

    /// What a 2xx to a request of ours agreed to (§7.2). `None` where the far end knows no session timers.
    pub(crate) fn of_response(response: &Headers, now: Instant) -> Option<Self> {
        let agreed = session_expires(response)?;
        let interval = agreed.interval.clamp(MIN_SE, MAX_SE);
        let is_ours = agreed.refresher != Some(Refresher::Uas);
        Some(Self { interval, is_ours, refreshed_at: now })
    }

    /// The headers by which we refresh it.
    pub(crate) fn refreshing(&self) -> Vec<(HeaderName, String)> {
        asking(self.interval, Some(Refresher::Uac))
    }
}

/// The headers by which a call of ours asks for a session timer.
pub(crate) fn offering(interval: Duration) -> Vec<(HeaderName, String)> {
    asking(interval, None)
}

/// The interval that a 422 demands, if it is more than was asked for.
pub(crate) fn demanded(refusal: &Headers, asked: Duration) -> Option<Duration> {
    let seconds = refusal.text(&HeaderName::MinSe)?.split(';').next()?.trim().parse().ok()?;
    let demanded = Duration::from_secs(seconds);
    (demanded > asked && demanded <= MAX_SE).then_some(demanded)
}

fn asking(interval: Duration, refresher: Option<Refresher>) -> Vec<(HeaderName, String)> {
    vec![
        (HeaderName::Supported, "timer".to_owned()),
        session_expires_header(interval, refresher),
        (HeaderName::MinSe, MIN_SE.as_secs().to_string()),
    ]
}

fn session_expires_header(
    interval: Duration,
    refresher: Option<Refresher>,
) -> (HeaderName, String) {
    let refresher = match refresher {
        Some(Refresher::Uac) => ";refresher=uac",
        Some(Refresher::Uas) => ";refresher=uas",
        None => "",
    };
    (HeaderName::SessionExpires, format!("{}{refresher}", interval.as_secs()))
}

fn session_expires(headers: &Headers) -> Option<SessionExpires> {
    let text = headers.text(&HeaderName::SessionExpires)?;
    let (seconds, params) = text.split_once(';').unwrap_or((text, ""));
    let seconds: u32 = seconds.trim().parse().ok()?;
    let refresher = Params::of(params).value("refresher").map(str::to_ascii_lowercase);
    let refresher = match refresher.as_deref() {
        Some("uac") => Some(Refresher::Uac),
        Some("uas") => Some(Refresher::Uas),
        _ => None,
    };
    Some(SessionExpires { interval: Duration::from_secs(seconds.into()), refresher })
}

/// The least interval that anybody has to take (§4), and the least that we do.
const MIN_SE: Duration = Duration::from_secs(90);

/// The interval that §4 recommends.
pub(crate) const OUR_INTERVAL: Duration = Duration::from_secs(1800);

/// A longer one would keep no call from being forgotten.
const MAX_SE: Duration = Duration::from_secs(86_400);

/// So long before the end of the interval the session ends (§10), or a third of it.
const END_BEFORE: Duration = Duration::from_secs(32);
