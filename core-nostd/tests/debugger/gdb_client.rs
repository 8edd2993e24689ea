//! A client of the gdb server over a target that records what is done to it.

use trapline_core::debugger::Debugger;
use trapline_core::gdb::Server;
use trapline_core::target::{CoreId, Event};

use crate::recorder::Recorder;
use crate::wire::{Sent, packet};

pub(crate) struct Client<'b> {
    pub(crate) debugger: Debugger<Recorder, 4, 16>,
    pub(crate) server: Server<'b, Recorder, Sent, 4, 16>,
    pub(crate) sent: Sent,
}

impl<'b> Client<'b> {
    pub(crate) fn new(cores: u16, buffer: &'b mut [u8]) -> Self {
        Self::of(Recorder::new(cores), buffer)
    }

    pub(crate) fn of(target: Recorder, buffer: &'b mut [u8]) -> Self {
        let mut debugger = Debugger::new(target).unwrap();
        let sent = Sent::default();
        let server = Server::new(&mut debugger, sent.clone(), buffer).unwrap();
        Self { debugger, server, sent }
    }

    /// Sends one packet and returns the payload of the answer, without acknowledgements.
    pub(crate) fn ask(&mut self, payload: &str) -> String {
        self.send(payload);
        self.answer()
    }

    /// As [`Self::ask`], for payloads and answers that are no text.
    pub(crate) fn ask_raw(&mut self, payload: &[u8]) -> Vec<u8> {
        self.receive(&packet(payload));
        let answer = self.sent.take();
        let begin = answer.iter().position(|byte| *byte == b'$').unwrap() + 1;
        answer[begin..answer.len() - 3].to_vec()
    }

    /// Sends one packet.
    pub(crate) fn send(&mut self, payload: &str) {
        self.receive(&packet(payload.as_bytes()));
    }

    /// Sends bytes as they are.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.server.receive(&mut self.debugger, bytes).unwrap();
    }

    /// The text of the `O` packets that have come; any others are dropped.
    pub(crate) fn console(&mut self) -> String {
        let packets = self.sent.packets();
        let digits = packets.iter().filter_map(|packet| packet.strip_prefix('O')).filter(|hex| *hex != "K");
        let digits: Vec<char> = digits.flat_map(str::chars).collect();
        let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap() as char;
        digits.chunks(2).map(byte).collect()
    }

    /// What a `monitor` command says.
    pub(crate) fn monitor(&mut self, command: &str) -> String {
        let hex: String = command.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.send(&format!("qRcmd,{hex}"));
        self.console()
    }

    /// The payload of the one packet that has come; nothing where none has.
    pub(crate) fn answer(&mut self) -> String {
        let mut packets = self.sent.packets();
        assert!(packets.len() <= 1, "{packets:?}");
        packets.pop().unwrap_or_default()
    }

    /// A core halts with an event, and the client hears of it.
    pub(crate) fn halts(&mut self, core: u16, pc: u64, event: Event) -> String {
        self.debugger.target_mut().halts(core, pc);
        self.debugger.on_event(CoreId(core), event).unwrap();
        self.server.report_stop(&mut self.debugger).unwrap();
        self.answer()
    }
}
