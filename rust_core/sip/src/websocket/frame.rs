//! Frames (RFC 6455 §5): ours are whole and unmasked, the peer's are masked and may be fragments.

/// What a frame is (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// The beginning of a frame of the peer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) opcode: Opcode,
    /// It ends its message.
    pub(super) is_last: bool,
    pub(super) mask: [u8; 4],
    /// Bytes of the beginning itself.
    pub(super) bytes: usize,
    /// Bytes that follow.
    pub(super) length: usize,
}

/// Why a connection ends: a status (RFC 6455 §7.4.1) for the peer, words for people.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    pub(super) status: u16,
    pub(super) why: &'static str,
}

impl Head {
    /// Reads one; `None` until all of it is there. What is wrong is seen before the bytes that follow have come; a frame
    /// of data has at most `max` of them.
    pub(super) fn read(bytes: &[u8], max: usize) -> Result<Option<Self>, Fault> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(broken("RFC 6455 §5.2: RSV without an extension"));
        }
        let opcode = Opcode::read(first & 0x0f).ok_or(broken("RFC 6455 §5.2: opcode"))?;
        let is_last = first & 0x80 != 0;
        if second & 0x80 == 0 {
            return Err(broken("RFC 6455 §5.1: not masked"));
        }
        let short = second & 0x7f;
        if opcode.is_control() && (short > MAX_CONTROL_BYTES || !is_last) {
            return Err(broken("RFC 6455 §5.5: a control frame is short and whole"));
        }
        let (length, rest) = match short {
            LENGTH_IN_2 => {
                let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u16::from_be_bytes(*length).into(), rest)
            }
            LENGTH_IN_8 => {
                let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from_be_bytes(*length), rest)
            }
            length => (length.into(), rest),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !opcode.is_control() && length > max {
            return Err(TOO_BIG);
        }
        let Some(&mask) = rest.first_chunk() else { return Ok(None) };
        let bytes = bytes.len() - rest.len() + mask.len();
        Ok(Some(Self { opcode, is_last, mask, bytes, length }))
    }
}

impl Opcode {
    fn read(code: u8) -> Option<Self> {
        let all =
            [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong];
        all.into_iter().find(|opcode| *opcode as u8 == code)
    }

    fn is_control(self) -> bool {
        self as u8 >= Self::Close as u8
    }
}

/// Writes a whole frame of ours.
pub(super) fn write(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    out.push(0x80 | opcode as u8);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length < LENGTH_IN_2 => out.push(length),
        (_, Ok(length)) => {
            out.push(LENGTH_IN_2);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(LENGTH_IN_8);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    out.extend(payload);
}

/// Writes a close frame with a status.
pub(super) fn write_close(out: &mut Vec<u8>, status: u16) {
    write(out, Opcode::Close, &status.to_be_bytes());
}

/// The status of a close frame of the peer, if it has one.
pub(super) fn read_close(payload: &[u8]) -> Result<Option<u16>, Fault> {
    match payload {
        [] => Ok(None),
        [first, second, ..] => {
            let status = u16::from_be_bytes([*first, *second]);
            // RFC 6455 §7.4.2, and those of §7.4.1 that no frame may have.
            let is_sendable = matches!(status, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if is_sendable { Ok(Some(status)) } else { Err(broken("RFC 6455 §7.4: close status")) }
        }
        [_] => Err(broken("RFC 6455 §5.5.1: half a close status")),
    }
}

const fn broken(why: &'static str) -> Fault {
    Fault { status: PROTOCOL_ERROR, why }
}

pub(super) const TOO_BIG: Fault = Fault { status: 1009, why: "message longer than we take" };
pub(super) const NOTHING_TO_CONTINUE: Fault = broken("RFC 6455 §5.4: nothing to continue");
pub(super) const NOT_FINISHED: Fault = broken("RFC 6455 §5.4: the message before is not whole");
pub(super) const GOING_AWAY: u16 = 1001;
/// An opcode and a length of 8 bytes.
pub(super) const MAX_HEAD_BYTES: usize = 10;
const PROTOCOL_ERROR: u16 = 1002;
const MAX_CONTROL_BYTES: u8 = 125;
const LENGTH_IN_2: u8 = 126;
const LENGTH_IN_8: u8 = 127;
