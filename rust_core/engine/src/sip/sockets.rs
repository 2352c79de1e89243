//! The sockets that the SIP thread listens on.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;

use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Interest, Poll, Token};
use tandem_sip::endpoint::Transport;

use crate::sys;

/// One socket. Readiness is edge-triggered, so it is remembered until the kernel has nothing more.
#[derive(Debug)]
pub(super) struct Socket {
    kind: Kind,
    transport: Transport,
    is_readable: bool,
}

#[derive(Debug)]
enum Kind {
    Udp(UdpSocket),
    Tcp(TcpListener),
}

impl Socket {
    /// Opens it; the error names the address. Gives the address really bound.
    pub(super) fn open(
        poll: &Poll,
        token: Token,
        transport: Transport,
        address: SocketAddr,
    ) -> io::Result<(Self, SocketAddr)> {
        Self::try_open(poll, token, transport, address).map_err(|error| {
            let transport = transport.as_str().to_lowercase();
            let text = format!("cannot listen on {transport} {address}: {error}");
            io::Error::new(error.kind(), text)
        })
    }

    fn try_open(
        poll: &Poll,
        token: Token,
        transport: Transport,
        address: SocketAddr,
    ) -> io::Result<(Self, SocketAddr)> {
        let (kind, bound) = match transport {
            Transport::Udp => {
                let mut socket = UdpSocket::bind(address)?;
                sys::grow_receive_buffer(&socket, RECEIVE_BUFFER_BYTES);
                poll.registry().register(&mut socket, token, Interest::READABLE)?;
                let bound = socket.local_addr()?;
                (Kind::Udp(socket), bound)
            }
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                let mut listener = TcpListener::bind(address)?;
                rustix::net::listen(&listener, BACKLOG)?;
                poll.registry().register(&mut listener, token, Interest::READABLE)?;
                let bound = listener.local_addr()?;
                (Kind::Tcp(listener), bound)
            }
        };
        Ok((Self { kind, transport, is_readable: true }, bound))
    }

    pub(super) fn transport(&self) -> Transport {
        self.transport
    }

    pub(super) fn set_readable(&mut self) {
        self.is_readable = true;
    }

    pub(super) fn is_readable(&self) -> bool {
        self.is_readable
    }

    /// The next datagram. `None` when there is none, or when this socket has connections instead.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let Kind::Udp(socket) = &self.kind else { return None };
        while self.is_readable {
            match socket.recv_from(buffer) {
                Ok(received) => return Some(received),
                // What ICMP says about an earlier datagram of ours.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.is_readable = false,
            }
        }
        None
    }

    /// The next connection. `None` when there is none, or when this socket has datagrams instead.
    pub(super) fn accept(&mut self) -> Option<(TcpStream, SocketAddr)> {
        let Kind::Tcp(listener) = &self.kind else { return None };
        while self.is_readable {
            match listener.accept() {
                Ok(accepted) => return Some(accepted),
                // One that was gone before we took it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // None waits, or there is no descriptor left; the housekeeping tries again.
                Err(_) => self.is_readable = false,
            }
        }
        None
    }

    /// Whether the kernel took it.
    pub(super) fn send(&self, bytes: &[u8], peer: SocketAddr) -> bool {
        match &self.kind {
            Kind::Udp(socket) => socket.send_to(bytes, peer).is_ok(),
            Kind::Tcp(_) => false,
        }
    }

    /// How full the kernel's queue of unread datagrams is, 0..=1.
    pub(super) fn fill(&self) -> f64 {
        match &self.kind {
            Kind::Udp(socket) if self.is_readable => sys::receive_buffer_fill(socket.as_fd()),
            _ => 0.0,
        }
    }
}

const RECEIVE_BUFFER_BYTES: usize = 8 << 20;
/// Connections that may wait to be accepted, if the kernel allows as many (`net.core.somaxconn`). The usual 128 fill up
/// while the thread is not given the processor for some milliseconds, and each one more waits for a second.
const BACKLOG: i32 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream as StdStream;
    use std::time::Duration;

    #[test]
    fn an_office_that_comes_back_at_once_need_not_wait_until_each_is_accepted() {
        let poll = Poll::new().unwrap();
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let (_socket, bound) = Socket::open(&poll, Token(0), Transport::Tcp, anywhere).unwrap();
        let waiting: Vec<_> = (0..400)
            .map(|_| StdStream::connect_timeout(&bound, Duration::from_millis(900)).unwrap())
            .collect();
        assert_eq!(waiting.len(), 400);
    }
}
