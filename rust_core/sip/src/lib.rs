//! The SIP side as one machine: messages in, messages out, no sockets and no clock.
//!
//! `wire` reads and writes bytes, `websocket` frames them for browsers, `offer_answer` agrees on media, `auth` is the digest, `defence` bounds what
//! strangers cost; `transaction`, `dialog`,
//! `registrar` and `trunk` are the machines of RFC 3261, `way` says where each message goes, and `endpoint` joins them to legs, commands and events.

pub mod auth;
pub mod defence;
pub mod endpoint;
pub mod offer_answer;
pub mod websocket;
pub mod wire;

mod accounts;
mod dialog;
mod early;
mod health;
mod leg;
mod registrar;
mod session_timer;
mod timers;
mod transaction;
mod trunk;
mod trunk_hosts;
mod way;
