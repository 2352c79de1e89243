//! Finds the leg whose place another call is to take (RFC 3891 §3).
//!
//! A phone names the dialog by what it sees of it: its Call-ID, our tag and its own. Both are random, so that only who is
//! in a dialog can name it; besides, it must be of a device of the same company.

use super::gate::Sender;
use super::{Account, Endpoint, LegId};
use crate::leg::{Leg, LegState};
use crate::wire::{HeaderName, Params, Request, Uri, decode_percent};

/// A dialog, as a Replaces header names it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Replaces {
    call_id: String,
    to_tag: String,
    from_tag: String,
    /// Whether a dialog is meant only as long as nobody has answered it.
    is_early_only: bool,
}

impl Replaces {
    /// The one among the headers of an address, `?Replaces=…` (RFC 5589 §7.1); the others are not followed.
    pub(super) fn in_uri(uri: &Uri<'_>) -> Result<Option<Self>, &'static str> {
        let named = |header: &str| {
            let (name, value) = header.split_once('=')?;
            decode_percent(name).eq_ignore_ascii_case("Replaces").then(|| decode_percent(value))
        };
        let mut found = uri.headers.unwrap_or("").split('&').filter_map(named);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => Self::parse(&value).map(Some).ok_or("Replaces names no dialog"),
            _ => Err("more than one Replaces"),
        }
    }

    fn parse(value: &str) -> Option<Self> {
        let (call_id, params) = value.split_once(';')?;
        let tag = |name| Params(params).value(name).map(str::to_owned);
        let tag = |name| tag(name).filter(|tag| !tag.is_empty());
        let (to_tag, from_tag) = (tag("to-tag")?, tag("from-tag")?);
        let is_early_only = Params(params).has("early-only");
        Some(Self { call_id: call_id.trim().to_owned(), to_tag, from_tag, is_early_only })
    }
}

impl Endpoint {
    /// The leg towards a device of this account's company that is named so. The tag of whoever is asked comes first; who
    /// puts them the other way round means the same.
    pub(super) fn leg_of_replaces(&self, account: &Account, replaces: &Replaces) -> Option<&Leg> {
        self.leg_named(account, replaces).filter(|leg| leg.state != LegState::Leaving)
    }

    /// The leg whose place an INVITE asks for, if it does; or the status that it gets (RFC 3891 §3). Only devices may: what a
    /// carrier knows of our dialogs is no business of its other customers.
    pub(super) fn asked_place(
        &self,
        request: &Request,
        sender: &Sender,
    ) -> Result<Option<LegId>, u16> {
        let mut values = request.headers.values(&HeaderName::Replaces);
        let Some(value) = values.next() else { return Ok(None) };
        let replaces = Replaces::parse(&String::from_utf8_lossy(&value)).ok_or(400_u16)?;
        if values.next().is_some() {
            return Err(400);
        }
        let Sender::Device(account) = sender else { return Err(481) };
        let leg = self.leg_named(account, &replaces).ok_or(481_u16)?;
        match leg.state {
            LegState::Leaving => Err(603),
            // It is not ours to take back what another phone has begun.
            LegState::Undecided | LegState::Ringing => Err(481),
            LegState::Accepted | LegState::Confirmed if replaces.is_early_only => Err(486),
            LegState::Accepted | LegState::Confirmed | LegState::Calling | LegState::Proceeding => {
                Ok(Some(leg.id))
            }
        }
    }

    fn leg_named(&self, account: &Account, replaces: &Replaces) -> Option<&Leg> {
        let Replaces { call_id, to_tag, from_tag, .. } = replaces;
        let find = |ours: &str, theirs: &str| {
            let leg = self.legs.get(&self.leg_of_tag(ours, Some(call_id))?)?;
            // A phone that rings may have named itself to us, but has not for good: each fork has a tag of its own.
            let is_theirs = leg.remote_tag.as_deref().is_none_or(|tag| tag == theirs);
            let company = &leg.account.as_ref()?.company;
            (is_theirs && *company == account.company).then_some(leg)
        };
        find(to_tag, from_tag).or_else(|| find(from_tag, to_tag))
    }
}
