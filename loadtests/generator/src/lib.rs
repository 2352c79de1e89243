//! What the load generator and the relays under test have in common: sockets on loopback, and lines of ports.
//!
//! The programs are driven over standard input and output. A line `ports 1 2 3 …` lists UDP ports of 127.0.0.1, those
//! of the two legs of one call side by side.

pub mod stamped;

use std::io::{self, BufRead as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// A port of this machine.
pub fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A non-blocking socket on any free port.
pub fn open() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(local(0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Tells our ports on standard output.
pub fn print_ports(ports: impl Iterator<Item = u16>) -> io::Result<()> {
    let mut line = String::from("ports");
    for port in ports {
        line.push(' ');
        line.push_str(&port.to_string());
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Reads the words of the next line of standard input, without the first if that is `verb`. `None` at its end.
pub fn read_line(verb: &str) -> io::Result<Option<Vec<String>>> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    match words.next() {
        Some(first) if first == verb => Ok(Some(words.collect())),
        _ => Err(io::Error::other(format!("expected a line that begins with {verb}"))),
    }
}

/// Reads the ports of the far ends.
pub fn read_ports() -> io::Result<Vec<u16>> {
    let words = read_line("ports")?.unwrap_or_default();
    words.iter().map(|word| word.parse().map_err(io::Error::other)).collect()
}

/// Returns at the end of standard input: whoever started us is done.
pub fn wait_for_end() -> io::Result<()> {
    while io::stdin().lock().read_line(&mut String::new())? > 0 {}
    Ok(())
}
