//! A small client of gdb's remote serial protocol, the same for all servers.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// How long an answer may take, and a server to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a server.
pub(crate) struct Client {
    stream: TcpStream,
    incoming: Vec<u8>,
    acknowledges: bool,
    address: SocketAddr,
    /// Whether it looks out for answers and never sleeps.
    looks_out: bool,
    /// The largest packet that the server takes.
    pub(crate) packet_size: usize,
}

impl Client {
    /// Connects as soon as somebody listens, and says what gdb says first.
    pub(crate) fn attach(address: SocketAddr) -> Result<Self> {
        let begun = Instant::now();
        let stream = loop {
            match TcpStream::connect(address) {
                Ok(stream) => break stream,
                Err(_) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => return Err(error).context("no gdb server listens"),
            }
        };
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self {
            stream,
            incoming: Vec::new(),
            acknowledges: true,
            address,
            looks_out: false,
            packet_size: 0x400,
        };
        let mut features = client.ask("qSupported:swbreak+;hwbreak+;vContSupported+;xmlRegisters=aarch64")?;
        // QEMU tells of the stop that connecting to a running guest is, without having been asked.
        while features.starts_with('T') {
            features = client.receive()?;
        }
        let size = features.split(';').find_map(|feature| feature.strip_prefix("PacketSize="));
        if let Some(size) = size {
            client.packet_size = usize::from_str_radix(size, 16).context("PacketSize is no number")?;
        }
        if features.contains("QStartNoAckMode+") && client.ask("QStartNoAckMode")? == "OK" {
            client.acknowledges = false;
        }
        // QEMU gives single registers only to clients that have asked for their description.
        client.ask("qXfer:features:read:target.xml:0,ffb")?;
        let stop = client.ask("?")?;
        if !stop.starts_with('T') && !stop.starts_with('S') {
            bail!("the target does not stand still: {stop}");
        }
        Ok(client)
    }

    /// Whether it is to look out for answers instead of sleeping until they come.
    pub(crate) fn look_out(&mut self, looks_out: bool) -> Result<()> {
        self.looks_out = looks_out;
        Ok(self.stream.set_nonblocking(looks_out)?)
    }

    /// Another client of the same server, after this one has left.
    pub(crate) fn again(&mut self) -> Result<Self> {
        // It is served when the connection of this one is gone.
        self.stream.shutdown(Shutdown::Both)?;
        Self::attach(self.address)
    }

    /// Sends a packet and takes the answer.
    pub(crate) fn ask(&mut self, packet: &str) -> Result<String> {
        self.send(packet.as_bytes())?;
        self.receive()
    }

    /// Sends a packet that must be answered with OK.
    pub(crate) fn tell(&mut self, packet: &str) -> Result<()> {
        match self.ask(packet)?.as_str() {
            "OK" => Ok(()),
            answer => bail!("{} was answered {answer:?}", packet.get(..60).unwrap_or(packet)),
        }
    }

    /// Lets the target run by a packet, until it stops.
    pub(crate) fn run(&mut self, packet: &str) -> Result<()> {
        self.send(packet.as_bytes())?;
        self.stopped()
    }

    /// Takes a stop reply.
    pub(crate) fn stopped(&mut self) -> Result<()> {
        loop {
            let answer = self.receive()?;
            match answer.as_bytes().first() {
                Some(b'T' | b'S') => return Ok(()),
                Some(b'O') => {}
                _ => bail!("expected a stop, and got {answer:?}"),
            }
        }
    }

    /// Sends a packet.
    pub(crate) fn send(&mut self, packet: &[u8]) -> Result<()> {
        let sum = packet.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let mut bytes = Vec::with_capacity(packet.len() + 4);
        bytes.push(b'$');
        bytes.extend_from_slice(packet);
        write!(bytes, "#{sum:02x}")?;
        Ok(self.stream.write_all(&bytes)?)
    }

    /// Asks a running target to stop.
    pub(crate) fn interrupt(&mut self) -> Result<()> {
        Ok(self.stream.write_all(&[3])?)
    }

    /// The next packet's content, as it is: nothing here asks for what would be escaped.
    fn receive(&mut self) -> Result<String> {
        let mut buffer = [0; 0x4000];
        loop {
            let begin = self.incoming.iter().position(|byte| *byte == b'$');
            let end = self.incoming.iter().position(|byte| *byte == b'#');
            if let (Some(begin), Some(end)) = (begin, end)
                && self.incoming.len() >= end + 3
            {
                let packet = String::from_utf8_lossy(&self.incoming[begin + 1..end]).into_owned();
                self.incoming.drain(..end + 3);
                if self.acknowledges {
                    self.stream.write_all(b"+")?;
                }
                return Ok(packet);
            }
            let count = loop {
                match self.stream.read(&mut buffer) {
                    Err(error) if self.looks_out && error.kind() == ErrorKind::WouldBlock => {
                        std::thread::yield_now();
                    }
                    read => break read.context("no answer comes")?,
                }
            };
            if count == 0 {
                bail!("the server has closed the connection");
            }
            self.incoming.extend_from_slice(&buffer[..count]);
        }
    }
}
