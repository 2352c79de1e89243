//! Cuts messages out of a byte stream (RFC 3261 §18.3, RFC 5626 §4.4.1).

use bytes::{Buf as _, Bytes, BytesMut};

use super::header::HeaderName;
use super::parse::{Limits, number};

/// What a stream gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Framed {
    /// The bytes of one message.
    Message(Bytes),
    /// CRLF CRLF between messages: the peer wants one CRLF back.
    Ping,
}

/// Collects the bytes of one connection. After an error the connection is of no use: nobody knows where the next
/// message begins.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// Bytes of the head already searched for its end.
    searched: usize,
}

impl Framer {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether a message has begun and not ended.
    pub fn is_inside_message(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next whole message; `None` until more comes. Errors name the rule that the stream breaks.
    pub fn next_frame(&mut self, limits: &Limits) -> Result<Option<Framed>, &'static str> {
        const PING: &[u8] = b"\r\n\r\n";
        // Byte by byte, so that what is a ping doesn't depend on how the stream was cut.
        while self.searched == 0 && matches!(self.buffer.first(), Some(b'\r' | b'\n')) {
            if self.buffer.starts_with(PING) {
                self.buffer.advance(PING.len());
                return Ok(Some(Framed::Ping));
            }
            if PING.starts_with(&self.buffer) {
                return Ok(None);
            }
            self.buffer.advance(1);
        }
        let Some(head) = self.head_length() else {
            return if self.buffer.len() > limits.message {
                Err("message longer than we take")
            } else {
                Ok(None)
            };
        };
        let length = content_length(&self.buffer[..head])?;
        if head.saturating_add(length) > limits.message {
            return Err("message longer than we take");
        }
        if self.buffer.len() < head + length {
            return Ok(None);
        }
        self.searched = 0;
        Ok(Some(Framed::Message(self.buffer.split_to(head + length).freeze())))
    }

    /// Bytes up to and with the empty line; remembers how far it has looked, so that a slow sender costs little.
    fn head_length(&mut self) -> Option<usize> {
        let from = self.searched.saturating_sub(3);
        for (i, window) in self.buffer[from..].windows(2).enumerate() {
            let at = from + i;
            if window == b"\n\n" {
                return Some(at + 2);
            }
            if window == b"\n\r" && self.buffer.get(at + 2) == Some(&b'\n') {
                return Some(at + 3);
            }
        }
        self.searched = self.buffer.len();
        None
    }
}

/// Must find the same field as the parser, or the two would see different messages in one stream.
fn content_length(head: &[u8]) -> Result<usize, &'static str> {
    const FAULT: &str = "RFC 3261 §20.14: Content-Length";
    let mut lines = head.split(|&b| b == b'\n').skip(1).peekable();
    while let Some(line) = lines.next() {
        let is_folded = |line: &[u8]| matches!(line.first(), Some(b' ' | b'\t'));
        let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
        let name = line[..colon].trim_ascii_end();
        if is_folded(line) || HeaderName::parse(name) != HeaderName::ContentLength {
            continue;
        }
        let mut value = line[colon + 1..].to_vec();
        while let Some(more) = lines.next_if(|next| is_folded(next)) {
            value.extend_from_slice(more);
        }
        let length = number(&value).ok_or(FAULT)?;
        return usize::try_from(length).map_err(|_| FAULT);
    }
    Err("RFC 3261 §18.3: no Content-Length in a stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"OPTIONS sip:x SIP/2.0\r\nl: 3\r\n\r\nabc";

    #[test]
    fn messages_come_out_whole_however_they_are_cut() {
        let mut stream = b"\r\n\n\r".to_vec();
        stream.extend_from_slice(MESSAGE);
        stream.extend_from_slice(b"\r\n\r\n");
        stream.extend_from_slice(MESSAGE);
        for size in 1..stream.len() {
            let mut framer = Framer::default();
            let mut frames = Vec::new();
            for chunk in stream.chunks(size) {
                framer.push(chunk);
                while let Some(frame) = framer.next_frame(&Limits::STREAM).unwrap() {
                    frames.push(frame);
                }
            }
            let message = Framed::Message(Bytes::from_static(MESSAGE));
            assert_eq!(frames, [message.clone(), Framed::Ping, message], "chunks of {size}");
            assert!(!framer.is_inside_message());
        }
    }

    #[test]
    fn the_length_is_read_where_the_parser_reads_it() {
        let folded =
            b"OPTIONS sip:x SIP/2.0\r\nSubject: a\r\n l: 99\r\nContent-Length :\r\n 3\r\n\r\nabc";
        let mut framer = Framer::default();
        framer.push(folded);
        let frame = framer.next_frame(&Limits::STREAM).unwrap();
        assert_eq!(frame, Some(Framed::Message(Bytes::from_static(folded))));
    }

    #[test]
    fn endless_and_lengthless_messages_end_the_stream() {
        let mut framer = Framer::default();
        framer.push(&[b'a'; 70_000]);
        assert!(framer.next_frame(&Limits::STREAM).is_err());
        let mut framer = Framer::default();
        framer.push(b"OPTIONS sip:x SIP/2.0\r\n\r\n");
        assert!(framer.next_frame(&Limits::STREAM).is_err());
        let mut framer = Framer::default();
        framer.push(b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 99999999\r\n\r\n");
        assert!(framer.next_frame(&Limits::STREAM).is_err());
    }
}
