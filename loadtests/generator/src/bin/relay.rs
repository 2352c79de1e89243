//! Tandem's media shard alone, with as many calls as there are pairs of ports. No signalling.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tandem_engine::media::{Driver, MediaLeg, MediaOptions, MediaShards, PortPool, Source};
use tandem_loadgen::{local, print_ports, read_ports, wait_for_end};
use tandem_media::params::{CodecParams, MediaParams};

fn main() -> io::Result<()> {
    let far_ends = read_ports()?;
    let media_timeout = Duration::from_secs(3600);
    let options = MediaOptions { shards: 1, media_timeout, seed: 1, driver: Driver::Fastest };
    let shards = MediaShards::start(options, Arc::new(|_| {}))?;
    let pool = PortPool::new(IpAddr::from([127, 0, 0, 1]), PORTS, 1);
    let (mut legs, mut ports): (Vec<MediaLeg>, Vec<u16>) = (Vec::new(), Vec::new());
    for (number, &port) in (0..).zip(&far_ends) {
        let lease = pool.lease()?;
        ports.push(lease.local().port());
        let leg = shards.open(number, 0, lease);
        shards.agreed(leg, params(port));
        legs.push(leg);
    }
    for pair in legs.chunks_exact(2) {
        for (hears, other) in [(pair[0], pair[1]), (pair[1], pair[0])] {
            shards.hears(hears, Source::Leg(other)).map_err(|_| io::Error::other("one shard"))?;
        }
    }
    print_ports(ports.into_iter())?;
    wait_for_end()?;
    std::thread::sleep(Duration::from_millis(1100)); // Counters are published once a second.
    for (name, count) in shards.counters().into_iter().filter(|(_, count)| *count > 0) {
        println!("{name} {count}");
    }
    Ok(())
}

fn params(port: u16) -> MediaParams {
    let codec = |name: &str, number| CodecParams {
        name: name.into(),
        clock_rate: 8000,
        channels: 1,
        send_type: number,
        receive_type: number,
        variant: String::new(),
    };
    MediaParams {
        rtp: local(port),
        rtcp: local(port + 1),
        behind_nat: None,
        codecs: vec![codec("PCMU", 0), codec("PCMA", 8)],
        events: vec![codec("telephone-event", 101)],
        sending: true,
        receiving: true,
    }
}

/// Below the ephemeral ports that the generator has.
const PORTS: (u16, u16) = (16_384, 32_767);
