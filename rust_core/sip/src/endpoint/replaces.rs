//! Finds the leg whose place another call is to take (RFC 3891 §3).
//!
//! A phone names the dialog by what it sees of it: its Call-ID, our tag and its own. Both are random, so that only who is
//! in a dialog can name it; besides, it must be of a device of the same company.

use super::{Account, Endpoint};
use crate::leg::{Leg, LegState};
use crate::wire::{Params, Uri, decode_percent};

/// A dialog, as a Replaces header names it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Replaces {
    call_id: String,
    to_tag: String,
    from_tag: String,
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
        Some(Self { call_id: call_id.trim().to_owned(), to_tag, from_tag })
    }
}

impl Endpoint {
    /// The leg towards a device of this account's company that is named so. The tag of whoever is asked comes first; who
    /// puts them the other way round means the same.
    pub(super) fn leg_of_replaces(&self, account: &Account, replaces: &Replaces) -> Option<&Leg> {
        let Replaces { call_id, to_tag, from_tag } = replaces;
        let find = |ours: &str, theirs: &str| {
            let leg = self.legs.get(&self.leg_of_tag(ours, Some(call_id))?)?;
            let is_theirs = leg.remote_tag.as_deref() == Some(theirs);
            let is_there = leg.state != LegState::Leaving;
            let company = &leg.account.as_ref()?.company;
            (is_theirs && is_there && *company == account.company).then_some(leg)
        };
        find(to_tag, from_tag).or_else(|| find(from_tag, to_tag))
    }
}
