//! Calls whose INVITE offers nothing: our 2xx offers, and its ACK answers (RFC 3261 §13.2.1).

use std::net::SocketAddr;

use super::in_dialog::Said;
use super::{Endpoint, LegId};
use crate::leg::Leg;
use crate::offer_answer::{Codec, Direction, answer, offer, own_codecs, permitted};

impl Endpoint {
    /// What the 200 to a caller says of the session, to suit the leg that it is to be joined to; without one, so that
    /// we can be heard. `None` where no codec is common.
    pub(super) fn last_word(
        &mut self,
        id: LegId,
        like: Option<LegId>,
        rtp: SocketAddr,
    ) -> Option<Said> {
        let other = like.and_then(|like| self.legs.get(&like));
        let (model, speakable) = (other.and_then(|o| o.agreed.clone()), other.map(Leg::speakable));
        let leg = self.legs.get_mut(&id)?;
        if leg.agreed.is_some() {
            // A reliable response has answered already (RFC 3262 §5).
            return Some(Said::default());
        }
        let session = leg.next_session(rtp);
        let Some(theirs) = leg.offer.take() else {
            let codecs = speakable.unwrap_or_else(|| own_codecs(true));
            let codecs = match &leg.trunk {
                Some(trunk) => permitted(codecs, &trunk.profile.codecs),
                None => codecs,
            };
            if !codecs.iter().any(Codec::is_sound) {
                return None;
            }
            let body = offer(&session, &codecs, Direction::SendRecv);
            leg.offered.clone_from(&codecs);
            return Some(Said { body, our_offer: Some(codecs), agreed: None });
        };
        let spoken = |codec: &Codec| match &model {
            // Its far end's parameters say what this one may send to it.
            Some(agreed) => agreed.like(codec).map(|own| own.codec.fmtp.clone()),
            None => codec.own_fmtp(),
        };
        let (body, agreed) = answer(&theirs, &session, Direction::SendRecv, spoken).ok()?;
        leg.agree(agreed.clone());
        Some(Said { body, our_offer: None, agreed: Some(agreed) })
    }
}
