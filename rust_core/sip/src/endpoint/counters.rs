//! What the SIP side counts.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Totals since the start, and levels.
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)+
        }

        impl Counters {
            /// Each with its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),+].into_iter()
            }
        }
    };
}

counters! {
    /// Messages received, but those of banned sources.
    messages,
    /// Of these, not readable as SIP.
    malformed,
    /// Of these, not told of, because too many sources send such at once.
    malformed_left_out,
    /// New calls asked for.
    invites,
    /// New calls refused because of load.
    shed_invites,
    /// REGISTER and OPTIONS refused because of load, of all or of their account.
    shed_others,
    /// Requests not remembered, and refused unless they were answered already, because their source has too many.
    source_limited,
    /// Requests without valid credentials.
    unauthorized,
    /// Of these, with a wrong password.
    wrong_passwords,
    /// Of these, with a password that nobody looked at, because too many from there were wrong.
    slowed,
    /// Of both, not told of, because too many sources guess at once.
    guesses_left_out,
    /// Of those without valid credentials, with a nonce that we gave to nobody: their passwords were not looked at.
    made_up_nonces,
    /// Sources banned.
    bans,
    /// Of these, listened to again before their time, because there were too many.
    bans_left_out,
    /// Datagrams and connections of banned sources, dropped unread.
    turned_away,
    /// Messages of streams that nobody was judged by, because too many sources sent some at once.
    unjudged,
    /// Calls from an address that trunks of several companies share, with nothing to tell whose they are.
    unclear_trunks,
    /// Keys that a far end was not sent as INFO, because it answers none.
    keys_unsent,
    /// Registers obeyed.
    registers,
    /// Requests and responses sent again.
    retransmitted,
    /// Requests that came again.
    repeated,
    /// Responses and ACKs that belong to nothing.
    strays,
    /// Transfers that phones asked for.
    transfers_asked,
    /// Calls that got 480, and transfers that got 503, because nobody decided in time.
    late_decisions,
    /// Legs that were answered.
    answered,
    /// Legs that ended.
    ended,
    /// Dialled legs.
    dialled,
    /// Legs now.
    legs,
    /// Server transactions now.
    server_transactions,
    /// Client transactions now.
    client_transactions,
    /// Timers now, those of places among them.
    timers,
    /// Devices that can be reached now.
    devices_online,
    /// Places where they are.
    bindings,
    /// Trunks configured.
    trunks,
    /// Of these, registered by us.
    trunks_registered,
    /// Calls and registers that went on to another server of their trunk.
    trunk_failovers,
    /// OPTIONS that asked servers of trunks for a sign of life.
    trunk_probes,
    /// Servers of trunks that give no answer now.
    trunk_servers_down,
}
