//! A media shard on loopback, with real sockets as phones: by each way that the kernel offers.

#![expect(clippy::unwrap_used, reason = "these are tests, helpers included")]
#![expect(clippy::duplicate_mod, reason = "the same stories for both drivers")]

#[path = "."]
mod by_io_uring {
    mod stories;

    const DRIVER: tandem_engine::media::Driver = tandem_engine::media::Driver::Fastest;
    const FIRST_PORT: u16 = 20_000;
}

#[path = "."]
mod by_epoll {
    mod stories;

    const DRIVER: tandem_engine::media::Driver = tandem_engine::media::Driver::Epoll;
    const FIRST_PORT: u16 = 22_000;
}
