//! Offers, answers, and what comes of them (RFC 3264 §5–§8).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::Session;
use super::codec::Codec;
use super::sdp::{Direction, MediaLine, SessionDescription};

/// A codec that both sides speak.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AgreedCodec {
    /// As the far end names it; its payload type is what we send with.
    pub codec: Codec,
    /// The payload type that we receive it with: what we wrote.
    pub receive_type: u8,
    /// The format parameters that we wrote, "" for none.
    pub receive_fmtp: String,
}

/// What was agreed for the one audio stream of a leg.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Agreed {
    /// Where the far end receives RTP.
    pub rtp: SocketAddr,
    /// Where it receives RTCP.
    pub rtcp: SocketAddr,
    /// Sound, the preferred first; never empty.
    pub codecs: Vec<AgreedCodec>,
    /// Telephone events (RFC 4733), one per clock rate.
    pub events: Vec<AgreedCodec>,
    /// Who sends, seen from us.
    pub direction: Direction,
    /// How much sound a packet of ours carries.
    pub ptime_ms: u32,
}

impl AgreedCodec {
    /// As we name it.
    pub(crate) fn ours(&self) -> Codec {
        Codec {
            payload_type: self.receive_type,
            fmtp: self.receive_fmtp.clone(),
            ..self.codec.clone()
        }
    }
}

impl Agreed {
    /// What another side means by `codec`, which it and this side were offered under the same numbers.
    pub(crate) fn like(&self, codec: &Codec) -> Option<&AgreedCodec> {
        let all = self.codecs.iter().chain(&self.events);
        likest(all, |own| codec.likeness(&own.codec, own.receive_type))
    }

    /// What this side means by `codec` in an offer of its own.
    pub(crate) fn again(&self, codec: &Codec) -> Option<&AgreedCodec> {
        let all = self.codecs.iter().chain(&self.events);
        likest(all, |own| codec.likeness(&own.codec, own.codec.payload_type))
    }
}

/// Of what is offered, as much as can be agreed on; keys are not crowded out.
pub fn bounded(mut codecs: Vec<Codec>) -> Vec<Codec> {
    let mut events = codecs.iter().filter(|c| c.is_events()).count().min(MAX_AGREED / 2);
    let mut sound = MAX_AGREED - events;
    codecs.retain(|codec| {
        let left = if codec.is_events() { &mut events } else { &mut sound };
        let is_kept = *left > 0;
        *left -= usize::from(is_kept);
        is_kept
    });
    codecs
}

/// Why nothing was agreed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The description cannot be read; says where.
    Malformed(&'static str),
    /// No stream that we can take part in: no RTP/AVP audio, or no address.
    NoAudio,
    /// No codec in common.
    NoCodec,
}

/// An offer of one audio stream with these codecs, in this order.
pub fn offer(session: &Session, codecs: &[Codec], direction: Direction) -> String {
    let mut out = head(session);
    write_audio(&mut out, "RTP/AVP", session.rtp.port(), codecs, direction);
    out
}

/// Answers an offer with those of its codecs for which `spoken` has format parameters, in the order of the offer, and
/// with its payload types. `wanted` is what we would like to do; the answer grants at most what the offer asks.
pub fn answer(
    offer: &SessionDescription,
    session: &Session,
    wanted: Direction,
    spoken: impl Fn(&Codec) -> Option<String>,
) -> Result<(String, Agreed), Refused> {
    let chosen = offer.media.iter().position(MediaLine::is_audio).ok_or(Refused::NoAudio)?;
    let line = &offer.media[chosen];
    let both_speak = line.codecs.iter().filter(|codec| !codec.is_comfort_noise());
    let both_speak = both_speak.filter_map(|theirs| {
        Some((Codec { fmtp: spoken(theirs)?, ..theirs.clone() }, theirs.clone()))
    });
    let (sound, mut events): (Vec<_>, Vec<_>) = both_speak.partition(|(our, _)| !our.is_events());
    // Keys come by the clock of the sound.
    events.retain(|(event, _)| sound.iter().any(|(our, _)| our.clock_rate == event.clock_rate));
    let direction = both(line.direction.mirrored(), wanted);
    let agreed = agreed(line, direction, sound.into_iter().chain(events))?;
    let mut out = head(session);
    for (i, other) in offer.media.iter().enumerate() {
        if i == chosen {
            // RFC 3264 §6: the transport of the offer, feedback profile or not.
            let codecs = agreed.codecs.iter().chain(&agreed.events).map(AgreedCodec::ours);
            let codecs: Vec<Codec> = codecs.collect();
            write_audio(&mut out, &line.protocol, session.rtp.port(), &codecs, direction);
        } else {
            let format = other.formats.first().map_or("0", String::as_str);
            let _ = write!(out, "m={} 0 {} {format}\r\n", other.kind, other.protocol);
        }
    }
    Ok((out, agreed))
}

/// Reads the answer to our offer of `offered`.
pub fn accept_answer(
    offered: &[Codec],
    ours: Direction,
    answer: &SessionDescription,
) -> Result<Agreed, Refused> {
    let line = answer.media.first().filter(|line| line.is_audio()).ok_or(Refused::NoAudio)?;
    let both_know = line.codecs.iter().filter_map(|theirs| {
        let likeness = |our: &Codec| theirs.likeness(our, our.payload_type);
        Some((likest(offered.iter(), likeness)?.clone(), theirs.clone()))
    });
    let direction = both(line.direction.mirrored(), ours);
    agreed(line, direction, both_know)
}

/// The element that is the likest; the first of several.
fn likest<'a, T>(
    list: impl Iterator<Item = &'a T>,
    likeness: impl Fn(&T) -> Option<u8>,
) -> Option<&'a T> {
    let ranked = list.filter_map(|element| Some((likeness(element)?, element)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, element)| element)
}

/// `codecs` are pairs: what we wrote, and what they did.
fn agreed(
    line: &MediaLine,
    direction: Direction,
    codecs: impl Iterator<Item = (Codec, Codec)>,
) -> Result<Agreed, Refused> {
    let (rtp, rtcp) = line.rtp().zip(line.rtcp()).ok_or(Refused::NoAudio)?;
    let (mut sound, mut events) = (Vec::new(), Vec::new());
    for (ours, codec) in codecs.filter(|(_, codec)| !codec.is_comfort_noise()) {
        let list = if codec.is_events() { &mut events } else { &mut sound };
        list.push(AgreedCodec { codec, receive_type: ours.payload_type, receive_fmtp: ours.fmtp });
    }
    events.truncate(MAX_AGREED / 2);
    sound.truncate(MAX_AGREED - events.len());
    if sound.is_empty() {
        return Err(Refused::NoCodec);
    }
    Ok(Agreed {
        rtp,
        rtcp,
        codecs: sound,
        events,
        direction,
        ptime_ms: line.ptime_ms.unwrap_or(DEFAULT_PTIME_MS),
    })
}

fn both(one: Direction, other: Direction) -> Direction {
    let ((send_1, receive_1), (send_2, receive_2)) = (one.flags(), other.flags());
    match (send_1 && send_2, receive_1 && receive_2) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    }
}

fn head(session: &Session) -> String {
    let family = match session.rtp.ip() {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    };
    let (id, version, address) = (session.id, session.version, session.rtp.ip());
    format!(
        "v=0\r\no=tandem {id} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n"
    )
}

fn write_audio(
    out: &mut String,
    protocol: &str,
    port: u16,
    codecs: &[Codec],
    direction: Direction,
) {
    let _ = write!(out, "m=audio {port} {protocol}");
    for codec in codecs {
        let _ = write!(out, " {}", codec.payload_type);
    }
    out.push_str("\r\n");
    for codec in codecs {
        let channels =
            if codec.channels > 1 { format!("/{}", codec.channels) } else { String::new() };
        let _ = write!(
            out,
            "a=rtpmap:{} {}/{}{channels}\r\n",
            codec.payload_type, codec.name, codec.clock_rate
        );
        if !codec.fmtp.is_empty() {
            let _ = write!(out, "a=fmtp:{} {}\r\n", codec.payload_type, codec.fmtp);
        }
    }
    let _ = write!(out, "a=ptime:{DEFAULT_PTIME_MS}\r\na={}\r\n", direction.as_str());
}

/// Formats of one stream, sound and events together: as many as media know of a leg.
pub const MAX_AGREED: usize = 16;

const DEFAULT_PTIME_MS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::super::own_codecs;
    use super::*;

    fn session() -> Session {
        Session { id: 7, version: 1, rtp: "192.0.2.1:4000".parse().unwrap() }
    }

    fn own() -> Vec<Codec> {
        own_codecs(false)
    }

    #[test]
    fn an_answer_keeps_lines_types_and_order_of_its_offer() {
        let offer = SessionDescription::parse(
            b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=video 9 RTP/AVP 31\r\nm=audio 8 RTP/AVP 0 8 110 13\r\n\
              a=rtpmap:110 telephone-event/8000\r\na=sendonly\r\n",
        )
        .unwrap();
        let (text, agreed) =
            answer(&offer, &session(), Direction::SendRecv, Codec::own_fmtp).unwrap();
        let ours = SessionDescription::parse(text.as_bytes()).unwrap();
        assert_eq!(
            ours.media.iter().map(|m| (m.kind.as_str(), m.port)).collect::<Vec<_>>(),
            [("video", 0), ("audio", 4000)]
        );
        assert_eq!(ours.media[1].formats, ["0", "8", "110"]);
        assert_eq!(ours.media[1].direction, Direction::RecvOnly);
        assert_eq!(agreed.direction, Direction::RecvOnly);
        assert_eq!(agreed.events[0].receive_type, 110);
    }

    #[test]
    fn an_answer_keeps_the_feedback_profile_of_its_offer() {
        let offer =
            SessionDescription::parse(b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 8 RTP/AVPF 0 8\r\n");
        let answered = answer(&offer.unwrap(), &session(), Direction::SendRecv, Codec::own_fmtp);
        assert!(answered.unwrap().0.contains("m=audio 4000 RTP/AVPF 0 8\r\n"));
    }

    #[test]
    fn what_we_offer_and_they_answer_meets_with_both_numbers() {
        let text = offer(&session(), &own(), Direction::SendRecv);
        assert!(
            SessionDescription::parse(text.as_bytes()).unwrap().media[0]
                .codecs
                .iter()
                .any(|c| c.fmtp == "0-15")
        );
        let theirs = SessionDescription::parse(
            b"v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 6 RTP/AVP 111 97\r\na=rtpmap:111 OPUS/48000/2\r\na=rtpmap:97 telephone-event/48000\r\n",
        )
        .unwrap();
        let agreed = accept_answer(&own(), Direction::SendRecv, &theirs).unwrap();
        assert_eq!((agreed.codecs[0].receive_type, agreed.codecs[0].codec.payload_type), (96, 111));
        assert_eq!((agreed.events[0].receive_type, agreed.events[0].codec.payload_type), (102, 97));
        assert_eq!(agreed.rtcp, "10.0.0.9:7".parse().unwrap());
    }

    #[test]
    fn variants_of_one_encoding_are_kept_apart() {
        let mode = |number, mode: &str| Codec {
            fmtp: format!("mode={mode}"),
            ..Codec::new(number, "iLBC", 8000, 1)
        };
        let (m20, m30) = (mode(97, "20"), mode(98, "30"));
        let types = |offered: &[&Codec], answer: &str| -> Vec<(u8, u8)> {
            let offered: Vec<Codec> = offered.iter().copied().cloned().collect();
            let head = "v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 6 RTP/AVP ";
            let sdp = SessionDescription::parse(format!("{head}{answer}\r\n").as_bytes()).unwrap();
            let agreed = accept_answer(&offered, Direction::SendRecv, &sdp).unwrap();
            agreed.codecs.iter().map(|c| (c.receive_type, c.codec.payload_type)).collect()
        };
        // RFC 3952 §5: without a mode it is 30.
        let plain = "111\r\na=rtpmap:111 ilbc/8000";
        assert_eq!(types(&[&m20, &m30], plain), [(98, 111)]);
        let other = "111\r\na=rtpmap:111 iLBC/8000\r\na=fmtp:111 MODE = 20";
        assert_eq!(types(&[&m20, &m30], other), [(97, 111)]);
        let changed = "97\r\na=rtpmap:97 iLBC/8000\r\na=fmtp:97 mode=30";
        assert_eq!(types(&[&m20], changed), [(97, 97)]);
        let (mono, stereo) = (Codec::new(96, "opus", 48_000, 2), Codec::new(97, "opus", 48_000, 2));
        assert_eq!(types(&[&mono, &stereo], "97\r\na=rtpmap:97 opus/48000/2"), [(97, 97)]);
        let amr = |fmtp: &str| {
            let codec = Codec::new(96, "AMR", 8000, 1);
            Codec { fmtp: fmtp.to_owned(), ..codec }.variant()
        };
        assert_eq!(amr("octet-align=0; mode-set=0,2"), amr(""));
        assert_ne!(amr("octet-align=1"), amr(""));
    }

    #[test]
    fn no_more_is_offered_than_can_be_agreed_on_and_keys_are_kept() {
        let keys = Codec::new(126, "telephone-event", 8000, 1);
        let many = (96..126).map(|number| Codec::new(number, "L16", 8000, 1));
        let bounded = bounded(many.chain([keys.clone()]).collect());
        assert_eq!((bounded.len(), bounded.last()), (MAX_AGREED, Some(&keys)));
        let text = offer(&session(), &bounded, Direction::SendRecv);
        let read = SessionDescription::parse(text.as_bytes()).unwrap();
        let echo = |codec: &Codec| Some(codec.fmtp.clone());
        let (_, agreed) = answer(&read, &session(), Direction::SendRecv, echo).unwrap();
        assert_eq!((agreed.codecs.len(), agreed.events.len()), (MAX_AGREED - 1, 1));
    }

    #[test]
    fn nothing_in_common_is_refused() {
        let speex = SessionDescription::parse(
            b"v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 6 RTP/AVP 97\r\na=rtpmap:97 speex/8000\r\n",
        )
        .unwrap();
        assert_eq!(accept_answer(&own(), Direction::SendRecv, &speex), Err(Refused::NoCodec));
        let secure =
            SessionDescription::parse(b"v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 6 RTP/SAVP 0\r\n")
                .unwrap();
        assert_eq!(
            answer(&secure, &session(), Direction::SendRecv, Codec::own_fmtp),
            Err(Refused::NoAudio)
        );
    }
}
