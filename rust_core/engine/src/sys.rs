//! The calls into the kernel that the standard library doesn't have.
#![expect(unsafe_code, reason = "system calls; each says why it is sound")]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, RawFd};

/// A descriptor that is readable after `signal` and until `clear` (eventfd(2)).
#[derive(Debug)]
pub(crate) struct EventFd(File);

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointers and returns a fresh descriptor or -1.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is ours and nobody else's.
        Ok(Self(unsafe { File::from_raw_fd(fd) }))
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    pub(crate) fn signal(&self) {
        // It fails only when the count is at its limit, and then it is readable anyway.
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }

    pub(crate) fn clear(&self) {
        let _ = (&self.0).read(&mut [0; 8]);
    }

    #[cfg(test)]
    pub(crate) fn is_readable(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one live pollfd, as stated.
        unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
    }
}

/// Nanoseconds of CLOCK_MONOTONIC.
pub(crate) fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a live timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Asks for a large receive buffer; takes what it gets.
pub(crate) fn grow_receive_buffer(fd: RawFd, bytes: libc::c_int) {
    for option in [libc::SO_RCVBUFFORCE, libc::SO_RCVBUF] {
        // SAFETY: a live descriptor and a pointer to an int of the stated size.
        let result =
            unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, (&raw const bytes).cast(), 4) };
        if result == 0 {
            return;
        }
    }
}

/// How full the receive buffer of a socket is, 0..=1 (SO_MEMINFO, Linux 4.12).
pub(crate) fn receive_buffer_fill(fd: RawFd) -> f64 {
    const SO_MEMINFO: libc::c_int = 55;
    let mut info = [0_u32; 9];
    let mut length = 36 as libc::socklen_t;
    // SAFETY: the buffer is as long as stated.
    let result = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 && info[1] > 0 { f64::from(info[0]) / f64::from(info[1]) } else { 0.0 }
}
