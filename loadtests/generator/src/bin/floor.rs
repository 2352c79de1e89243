//! The floor: the least that a relay in user space can do. One epoll loop, one connected socket a leg, `recv` and
//! `send`; nothing is looked at, counted or learned.

#![expect(unsafe_code, reason = "the floor is what C would do, call by call")]

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use tandem_loadgen::{local, open, print_ports, read_ports, wait_for_end};

fn main() -> io::Result<()> {
    let mut sockets = Vec::new();
    for port in read_ports()? {
        let socket = open()?;
        socket.connect(local(port))?;
        sockets.push(socket);
    }
    let ports: io::Result<Vec<u16>> =
        sockets.iter().map(|socket| Ok(socket.local_addr()?.port())).collect();
    print_ports(ports?.into_iter())?;
    std::thread::Builder::new().name("floor".into()).spawn(move || relay(&sockets))?;
    wait_for_end()
}

fn relay(sockets: &[UdpSocket]) {
    // SAFETY: it only makes a descriptor.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    for (index, socket) in sockets.iter().enumerate() {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: index as u64 };
        // SAFETY: both descriptors are open, and the event is ours.
        unsafe {
            libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &raw mut event);
        }
    }
    let fds: Vec<i32> = sockets.iter().map(|socket| socket.as_raw_fd()).collect();
    let mut ready = [libc::epoll_event { events: 0, u64: 0 }; 64];
    let mut buffer = [0u8; 2048];
    loop {
        // SAFETY: the array is as long as stated.
        let count = unsafe { libc::epoll_wait(epoll, ready.as_mut_ptr(), 64, -1) };
        for event in &ready[..usize::try_from(count).unwrap_or(0)] {
            let index = event.u64 as usize;
            // SAFETY: the buffer is as long as stated, and `send` gets no more than `recv` gave.
            unsafe {
                let len = libc::recv(fds[index], buffer.as_mut_ptr().cast(), buffer.len(), 0);
                if let Ok(len) = usize::try_from(len) {
                    libc::send(fds[index ^ 1], buffer.as_ptr().cast(), len, 0);
                }
            }
        }
    }
}
