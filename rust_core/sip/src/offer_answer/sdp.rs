//! Session descriptions (RFC 8866): the lines that matter are read, all others are passed over.

use std::mem::replace;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::codec::{Codec, permitted};

/// Who sends, seen from the writer of the description.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Direction {
    /// Both.
    #[default]
    SendRecv,
    /// The writer only.
    SendOnly,
    /// The other only.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// Whether the writer sends and receives.
    pub fn flags(self) -> (bool, bool) {
        match self {
            Self::SendRecv => (true, true),
            Self::SendOnly => (true, false),
            Self::RecvOnly => (false, true),
            Self::Inactive => (false, false),
        }
    }

    /// The same, seen from the other side (RFC 3264 §6.1).
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            same => same,
        }
    }

    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    fn parse(attribute: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|d| d.as_str() == attribute)
    }
}

/// One m= line and what belongs to it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MediaLine {
    /// "audio", "video", "image".
    pub kind: String,
    /// 0 where the stream is refused or off.
    pub port: u16,
    /// "RTP/AVP".
    pub protocol: String,
    /// Formats as written.
    pub formats: Vec<String>,
    /// Its own c= address, else the session's.
    pub address: Option<IpAddr>,
    /// Codecs of the formats that we understand, in their order.
    pub codecs: Vec<Codec>,
    /// Who sends.
    pub direction: Direction,
    /// a=rtcp (RFC 3605), port and address.
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    /// a=ptime in milliseconds.
    pub ptime_ms: Option<u32>,
}

impl MediaLine {
    /// Where its RTP is to be sent. `None` without an address.
    pub fn rtp(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.address?, self.port))
    }

    /// Where its RTCP is to be sent. We never say a=rtcp-mux, so nobody multiplexes with us (RFC 5761 §5.1.1).
    pub fn rtcp(&self) -> Option<SocketAddr> {
        let rtp = self.rtp()?;
        Some(match self.rtcp {
            Some((port, address)) => SocketAddr::new(address.unwrap_or(rtp.ip()), port),
            None => SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?),
        })
    }

    /// Whether it is audio that we can take part in.
    pub fn is_audio(&self) -> bool {
        self.kind == "audio"
            && matches!(self.protocol.as_str(), "RTP/AVP" | "RTP/AVPF")
            && self.port != 0
    }
}

/// A whole description.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SessionDescription {
    /// The m= lines in their order.
    pub media: Vec<MediaLine>,
}

impl SessionDescription {
    /// Forgets the codecs of its sound that are not named, and prefers those that are named first; see `permitted`.
    pub fn permit(&mut self, names: &[String]) {
        for line in self.media.iter_mut().filter(|line| line.is_audio()) {
            line.codecs = permitted(std::mem::take(&mut line.codecs), names);
        }
    }

    /// Reads a description; the error names what is wrong. Tolerates bare LF or CR, NULs and bytes that are no UTF-8.
    /// No control character survives: format parameters are written to the other side of a call.
    pub fn parse(body: &[u8]) -> Result<Self, &'static str> {
        let text = String::from_utf8_lossy(body);
        let is_kept = |c: &char| matches!(c, '\r' | '\n') || !c.is_control();
        let text: String = text.chars().filter(is_kept).collect();
        let mut session = Section::default();
        let mut media: Vec<(MediaLine, Section)> = Vec::new();
        let mut seen_version = false;
        for line in text.split(['\r', '\n']).filter(|line| !line.is_empty()) {
            let (kind, value) = line.split_once('=').ok_or("RFC 8866 §5: line without =")?;
            match kind {
                "v" => seen_version = value.trim() == "0",
                "m" => {
                    if media.len() == MAX_MEDIA_LINES {
                        return Err("more m= lines than we take");
                    }
                    media.push((parse_media(value)?, Section::default()));
                }
                "c" => media
                    .last_mut()
                    .map_or(&mut session, |(_, section)| section)
                    .connection(value)?,
                "a" => media
                    .last_mut()
                    .map_or(&mut session, |(_, section)| section)
                    .attribute(value)?,
                _ => {}
            }
        }
        if !seen_version {
            return Err("RFC 8866 §5.1: no v=0");
        }
        let media =
            media.into_iter().map(|(line, section)| section.apply(line, &session)).collect();
        Ok(Self { media })
    }
}

/// What c= and a= lines of the session, or of one m= line, say.
#[derive(Debug, Default)]
struct Section {
    address: Option<IpAddr>,
    direction: Option<Direction>,
    rtcp: Option<(u16, Option<IpAddr>)>,
    ptime_ms: Option<u32>,
    rtpmaps: Vec<(u8, String)>,
    fmtps: Vec<(u8, String)>,
}

impl Section {
    fn connection(&mut self, value: &str) -> Result<(), &'static str> {
        let mut words = value.split_whitespace();
        let (Some("IN"), Some("IP4" | "IP6"), Some(address)) =
            (words.next(), words.next(), words.next())
        else {
            return Err("RFC 8866 §5.7: c= line");
        };
        // Only the first of several; a host name is resolved by nobody here, and so refused later, as is a group.
        let address = address.split('/').next().and_then(|a| a.parse().ok());
        self.address = self.address.or(address.filter(is_unicast));
        Ok(())
    }

    fn attribute(&mut self, value: &str) -> Result<(), &'static str> {
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        match name {
            "rtpmap" => push_format(&mut self.rtpmaps, value)?,
            "fmtp" => push_format(&mut self.fmtps, value)?,
            "ptime" => self.ptime_ms = value.trim().parse().ok().filter(|p| (10..=200).contains(p)),
            "rtcp" => {
                let mut words = value.split_whitespace();
                let port =
                    words.next().and_then(|port| port.parse().ok()).filter(|&port| port != 0);
                let address = words.nth(2).and_then(|a| a.parse().ok()).filter(is_unicast);
                self.rtcp = port.map(|port| (port, address));
            }
            _ => self.direction = Direction::parse(name).or(self.direction),
        }
        Ok(())
    }

    fn apply(self, mut line: MediaLine, session: &Self) -> MediaLine {
        line.address = self.address.or(session.address);
        line.direction = self.direction.or(session.direction).unwrap_or_default();
        // RFC 3264 §8.4: the old form of hold.
        if line.address.is_some_and(|address| address.is_unspecified()) {
            line.direction = match line.direction {
                Direction::SendRecv | Direction::SendOnly => Direction::SendOnly,
                _ => Direction::Inactive,
            };
        }
        line.rtcp = self.rtcp;
        line.ptime_ms = self.ptime_ms.or(session.ptime_ms);
        let mut seen = [false; 128];
        for payload_type in line.formats.iter().filter_map(|format| format.parse::<u8>().ok()) {
            // RFC 3551 §6: seven bits; once each.
            let is_new = seen.get_mut(usize::from(payload_type)).map(|seen| !replace(seen, true));
            if is_new == Some(true) {
                line.codecs.extend(self.codec(payload_type));
            }
        }
        line
    }

    fn codec(&self, payload_type: u8) -> Option<Codec> {
        let find = |list: &[(u8, String)]| {
            list.iter().find(|(t, _)| *t == payload_type).map(|(_, value)| value.clone())
        };
        let mut codec = match find(&self.rtpmaps) {
            Some(map) => {
                let mut parts = map.split('/');
                let name = parts.next().filter(|name| !name.is_empty())?.to_owned();
                let clock_rate = parts.next()?.trim().parse().ok().filter(|&rate| rate > 0)?;
                let channels =
                    parts.next().map_or(Some(1), |channels| channels.trim().parse().ok())?;
                Codec { payload_type, name, clock_rate, channels, fmtp: String::new() }
            }
            None => Codec::of_static(payload_type)?,
        };
        codec.fmtp = find(&self.fmtps).unwrap_or_default();
        Some(codec)
    }
}

/// Whether media may be sent there: a group or everybody would multiply it.
fn is_unicast(address: &IpAddr) -> bool {
    !address.is_multicast() && *address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

fn parse_media(value: &str) -> Result<MediaLine, &'static str> {
    const FAULT: &str = "RFC 8866 §5.14: m= line";
    let mut words = value.split_whitespace();
    let kind = words.next().ok_or(FAULT)?.to_owned();
    let port = words.next().and_then(|port| port.split('/').next()?.parse().ok()).ok_or(FAULT)?;
    let protocol = words.next().ok_or(FAULT)?.to_owned();
    let formats: Vec<String> = words.map(str::to_owned).collect();
    if formats.len() > MAX_FORMATS {
        return Err("more formats than we take");
    }
    Ok(MediaLine { kind, port, protocol, formats, ..MediaLine::default() })
}

fn push_format(list: &mut Vec<(u8, String)>, value: &str) -> Result<(), &'static str> {
    if list.len() == MAX_FORMATS {
        return Err("more format lines than we take");
    }
    if let Some((payload_type, value)) = value.trim().split_once(' ')
        && let Ok(payload_type) = payload_type.parse()
    {
        list.push((payload_type, value.trim().to_owned()));
    }
    Ok(())
}

const MAX_MEDIA_LINES: usize = 32;
const MAX_FORMATS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phones_offer_is_read() {
        let body = b"v=0\no=- 1 1 IN IP4 10.0.0.1\ns=\nc=IN IP4 10.0.0.1\nt=0 0\na=sendonly\n\
            m=audio 4000/2 RTP/AVP 96 8 101\na=rtpmap:96 opus/48000/2\na=fmtp:96 useinbandfec=1\n\
            a=rtpmap:101 telephone-event/8000\na=rtcp:4003 IN IP4 10.0.0.2\na=ptime:30\n\
            m=video 0 RTP/AVP 31\0";
        let sdp = SessionDescription::parse(body).unwrap();
        let audio = &sdp.media[0];
        assert!(audio.is_audio() && !sdp.media[1].is_audio());
        let names: Vec<_> =
            audio.codecs.iter().map(|c| (c.payload_type, c.name.as_str(), c.clock_rate)).collect();
        assert_eq!(names, [(96, "opus", 48000), (8, "PCMA", 8000), (101, "telephone-event", 8000)]);
        assert_eq!(audio.direction, Direction::SendOnly);
        assert_eq!(audio.rtp(), Some("10.0.0.1:4000".parse().unwrap()));
        assert_eq!(audio.rtcp(), Some("10.0.0.2:4003".parse().unwrap()));
        assert_eq!(audio.ptime_ms, Some(30));
    }

    #[test]
    fn what_would_do_harm_is_left_out() {
        let body = b"v=0\r\nm=audio 4 RTP/AVP 96 96 0 0 200 13\r\na=rtpmap:96 opus/48000/2\r\n\
            a=rtpmap:200 x/8000\r\na=fmtp:96 a\0=1\ra=inactive\r\nc=IN IP4 224.2.1.1/127\r\n";
        let audio = &SessionDescription::parse(body).unwrap().media[0];
        let types: Vec<_> = audio.codecs.iter().map(|codec| codec.payload_type).collect();
        assert_eq!(types, [96, 0, 13]);
        assert_eq!((audio.codecs[0].fmtp.as_str(), audio.direction), ("a=1", Direction::Inactive));
        assert_eq!(audio.rtp(), None, "a group");
    }

    #[test]
    fn the_old_form_of_hold_is_hold() {
        let sdp = SessionDescription::parse(b"v=0\r\nm=audio 4 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n")
            .unwrap();
        assert_eq!(sdp.media[0].direction, Direction::SendOnly);
    }

    #[test]
    fn endless_descriptions_are_refused() {
        let many = format!("v=0\r\n{}", "m=audio 4 RTP/AVP 0\r\n".repeat(33));
        assert!(SessionDescription::parse(many.as_bytes()).is_err());
        let formats = format!("v=0\r\nm=audio 4 RTP/AVP{}\r\n", " 0".repeat(129));
        assert!(SessionDescription::parse(formats.as_bytes()).is_err());
        assert!(SessionDescription::parse(b"hello").is_err());
    }
}
