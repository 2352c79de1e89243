//! SIP bytes: the only place that reads and writes them (RFC 3261 §7, §25).
//!
//! The reader is lazy and tolerant: it splits lines, keeps values as they came, and reads them when asked.
//! What real phones send and the grammar forbids (bare LF, raw `#`, unquoted names) is taken as meant; what
//! cannot be meant is [`Malformed`], with the part that was understood, so that it can be answered.

mod address;
mod call_id;
mod framer;
mod header;
mod mask;
mod message;
mod parse;
mod text;
mod uri;
mod via;

pub use address::{Address, Params};
pub use call_id::call_id_of;
pub use framer::{Framed, Framer};
pub use header::{HeaderName, Headers};
pub use mask::masked;
pub use message::{CSeq, Message, Method, Request, Response};
pub use parse::{Limits, Malformed, parse};
pub use text::{decode_percent, display_text, encode_user, quoted, split_commas};
pub use uri::{Scheme, Uri};
pub use via::Via;
