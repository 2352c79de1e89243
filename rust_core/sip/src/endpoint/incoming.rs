//! Reads the INVITE of a new call.

use std::time::Instant;

use bytes::Bytes;

use super::gate::Sender;
use super::prack::rel100_of;
use super::requests::Refusal;
use super::{CallerId, Flow, Incoming, LegId, diversion, identity};
use crate::dialog;
use crate::leg::{Leg, LegState, MAX_FORWARDS};
use crate::offer_answer::{Codec, SessionDescription, bounded, own_codecs, permitted};
use crate::session_timer::SessionTimer;
use crate::way;
use crate::wire::{Address, HeaderName, Request, Via, display_text};

/// Where the caller wants requests, and what it offers, if it does; or how to refuse it.
pub(super) fn read_invite(
    now: Instant,
    request: &Request,
) -> Result<(String, Option<SessionDescription>), Refusal> {
    let no_contact = || (HeaderName::Warning, "399 tandem \"no Contact\"".to_owned());
    let target = way::target_of(&request.headers).or_else(|| from_of_rfc_2543(request));
    let target = target.ok_or_else(|| (400, vec![no_contact()]))?;
    if let Err(least) = SessionTimer::of_request(&request.headers, now) {
        return Err((422, vec![(HeaderName::MinSe, least.as_secs().to_string())]));
    }
    if !takes_sdp(request) {
        return Err((406, vec![(HeaderName::Accept, "application/sdp".to_owned())]));
    }
    Ok((target, read_offer(request)?))
}

/// Where RFC 2543 sends requests to who names no Contact; its callers are known by a Via without our kind of branch.
fn from_of_rfc_2543(request: &Request) -> Option<String> {
    let top = request.headers.values(&HeaderName::Via).next()?;
    if Via::parse(&top)?.branch().is_some() {
        return None;
    }
    let from = Address::parse(request.headers.line(&HeaderName::From)?)?;
    from.parsed_uri().map(|_| from.uri.to_owned())
}

/// Whether an answer may be written as a session description (RFC 3261 §20.1: no Accept means that).
fn takes_sdp(request: &Request) -> bool {
    let mut lines = request.headers.lines(&HeaderName::Accept).peekable();
    let is_wide = |range: &str| {
        let range = range.split(';').next().unwrap_or("").trim();
        ["application/sdp", "application/*", "*/*"].iter().any(|w| range.eq_ignore_ascii_case(w))
    };
    lines.peek().is_none_or(|first| first.is_empty())
        || lines.any(|line| String::from_utf8_lossy(line).split(',').any(is_wide))
}

fn read_offer(request: &Request) -> Result<Option<SessionDescription>, Refusal> {
    let warning = |text: &str| (488, vec![(HeaderName::Warning, format!("399 tandem \"{text}\""))]);
    if request
        .headers
        .line(&HeaderName::ContentEncoding)
        .is_some_and(|e| !e.eq_ignore_ascii_case(b"identity"))
    {
        return Err((415, vec![(HeaderName::Other("accept-encoding".into()), "identity".into())]));
    }
    if request.body.is_empty() {
        return Ok(None);
    }
    let body =
        sdp_body(request).ok_or((415, vec![(HeaderName::Accept, "application/sdp".to_owned())]))?;
    let offer = SessionDescription::parse(&body)
        .map_err(|why| (400, vec![(HeaderName::Warning, format!("399 tandem \"{why}\""))]))?;
    if !offer.media.iter().any(|line| line.is_audio() && line.rtp().is_some()) {
        let is_browser = offer.media.iter().any(|line| line.protocol.contains("TLS/"));
        // RFC 3261 §20.43: 399 says all of it in words.
        return Err(warning(match is_browser {
            true => "sound inside DTLS (as browsers send it) is not supported yet; only RTP/AVP is",
            false => "only audio over RTP/AVP",
        }));
    }
    Ok(Some(offer))
}

/// The session description in a body: the body itself, or the first such part of several (RFC 5621).
pub(super) fn sdp_body(request: &Request) -> Option<Bytes> {
    let kind = request.headers.text(&HeaderName::ContentType)?;
    let (kind, params) = kind.split_once(';').unwrap_or((kind, ""));
    let kind = kind.trim();
    if kind.eq_ignore_ascii_case("application/sdp") {
        return Some(request.body.clone());
    }
    if !kind.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/")) {
        return None;
    }
    let boundary = crate::wire::Params::of(params).value("boundary")?.to_owned();
    let text = String::from_utf8_lossy(&request.body).into_owned();
    text.split(&format!("--{boundary}")).skip(1).find_map(|part| {
        let (head, body) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n"))?;
        head.to_ascii_lowercase().contains("application/sdp").then(|| Bytes::from(body.to_owned()))
    })
}

/// What Python is told about a call.
pub(super) fn incoming(
    leg: LegId,
    request: &Request,
    sender: &Sender,
    asked: String,
    offer: Option<&SessionDescription>,
) -> Incoming {
    let (company, device, trunk) = match sender {
        Sender::Device(account) => (account.company.clone(), Some(account.device.clone()), None),
        Sender::Trunk(trunk) => (trunk.company.clone(), None, Some(trunk.id.clone())),
    };
    let diverted = match sender {
        Sender::Trunk(_) => diversion::read(request).map(Box::new),
        Sender::Device(_) => None,
    };
    let called = called(request, sender, asked);
    // Who offers nothing will be offered what is ours.
    let codecs = match (offer, sender) {
        (Some(offer), _) => offered(offer).to_vec(),
        (None, Sender::Trunk(trunk)) => permitted(own_codecs(false), &trunk.profile.codecs),
        (None, Sender::Device(_)) => own_codecs(false),
    };
    Incoming {
        leg,
        company,
        device,
        trunk,
        caller: CallerId { diverted, ..identity::caller(request, sender) },
        called: display_text(called.as_bytes()),
        call_id: lossy(request, &HeaderName::CallId),
        codecs: codecs.iter().map(|codec| codec.name.clone()).collect(),
        instead_of: None,
    }
}

/// Whom they call. A carrier that we registered with puts our Contact into the Request-URI (RFC 3261 §16.5); the
/// number that was dialled is then in P-Called-Party-ID (RFC 7315 §4.2) or, with most carriers, in To.
fn called(request: &Request, sender: &Sender, asked: String) -> String {
    match sender {
        Sender::Trunk(trunk) if trunk.register && asked == trunk.contact_user => {
            let party = HeaderName::Other("p-called-party-id".to_owned());
            let user_in = |name| Address::parse(request.headers.line(name)?)?.parsed_uri()?.user();
            user_in(&party).or_else(|| user_in(&HeaderName::To)).unwrap_or(asked)
        }
        _ => asked,
    }
}

/// The leg of whoever calls by this INVITE.
pub(super) fn caller(
    id: LegId,
    flow: Flow,
    request: Request,
    remote_target: String,
    offer: Option<SessionDescription>,
) -> Leg {
    Leg {
        state: LegState::Undecided,
        call_id: lossy(&request, &HeaderName::CallId),
        local: lossy(&request, &HeaderName::To),
        remote: lossy(&request, &HeaderName::From),
        remote_tag: Some(dialog::tag_of(request.headers.line(&HeaderName::From))),
        remote_target,
        routes: way::routes_of(&request.headers),
        is_sips: way::is_sips(&request.uri),
        max_forwards: hops_of(&request),
        remote_cseq: request.cseq().map(|cseq| cseq.number),
        offered: offer.as_ref().map_or_else(Vec::new, |o| bounded(offered(o).to_vec())),
        rel100: rel100_of(&request),
        takes_update: dialog::allows_update(&request.headers),
        offer,
        invite: Some(Box::new(request)),
        ..Leg::new(id, flow)
    }
}

/// Max-Forwards, or ours where it is missing or larger.
fn hops_of(request: &Request) -> u8 {
    let hops =
        request.headers.text(&HeaderName::MaxForwards).and_then(|hops| hops.trim().parse().ok());
    hops.unwrap_or(MAX_FORWARDS).min(MAX_FORWARDS)
}

/// The codecs of the stream that we would answer.
fn offered(offer: &SessionDescription) -> &[Codec] {
    offer.media.iter().find(|line| line.is_audio()).map_or(&[], |line| &line.codecs)
}

/// From tag, Call-ID and CSeq of a new call (RFC 3261 §8.2.2.2).
pub(super) fn merge_key(request: &Request) -> Option<String> {
    let from = request.headers.line(&HeaderName::From)?;
    let tag = Address::parse(from)?.tag()?.to_owned();
    Some(format!("{} {tag} {}", lossy(request, &HeaderName::CallId), request.cseq()?.number))
}

pub(super) fn copy_record_routes(request: &Request, response: &mut crate::wire::Response) {
    for value in request.headers.lines(&HeaderName::RecordRoute) {
        response.headers.push(HeaderName::RecordRoute, value.clone());
    }
}

/// The text of a Reason header (RFC 3326), "" without one.
pub(super) fn reason_text(request: &Request) -> String {
    let reason = request.headers.text(&HeaderName::Reason).unwrap_or("");
    let text = crate::wire::Params::of(reason).value("text").unwrap_or("");
    display_text(text.as_bytes())
}

pub(super) fn lossy(request: &Request, name: &HeaderName) -> String {
    request
        .headers
        .line(name)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .unwrap_or_default()
}
