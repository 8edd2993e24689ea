//! One operation: its name, its operand, and what it does to the depth of the stack.

/// A binary operation on the two topmost values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    DivideSigned,
    DivideUnsigned,
    RemainderSigned,
    RemainderUnsigned,
    ShiftLeft,
    ShiftRightSigned,
    ShiftRightUnsigned,
    And,
    Or,
    Xor,
    Equal,
    LessSigned,
    LessUnsigned,
}

/// An operation with its operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation<'c> {
    Binary(Binary),
    LogicalNot,
    Not,
    /// Sign extension from that many bits, 1 to 64.
    SignExtend(u8),
    /// Zero extension from that many bits, 1 to 64.
    ZeroExtend(u8),
    /// A load of that many bytes, 1, 2, 4 or 8.
    Load(u8),
    /// A jump to that offset where the value is not 0.
    JumpIf(u16),
    /// A jump to that offset.
    Jump(u16),
    Constant(u64),
    /// A register by gdb's number.
    Register(u16),
    End,
    /// A copy of the value that lies that deep, 0 for the top.
    Pick(u8),
    Pop,
    Swap,
    /// The top goes below the next two.
    Rotate,
    /// A print of so many values by a format in C's way, without its NUL.
    Print {
        arguments: u8,
        format: &'c [u8],
    },
}

/// Why there is no operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Undecodable {
    /// The code ends inside it.
    CutOff,
    /// This number means nothing, or something that needs a trace buffer or floating point.
    Unsupported(u8),
}

impl<'c> Operation<'c> {
    /// The operation at `offset`, and the offset behind it.
    pub(super) fn decode(code: &'c [u8], offset: usize) -> Result<(Self, usize), Undecodable> {
        let mut reader = Reader { code, offset };
        let opcode = reader.byte()?;
        let binary = |operation| Ok(Self::Binary(operation));
        let operation = match opcode {
            0x02 => binary(Binary::Add),
            0x03 => binary(Binary::Subtract),
            0x04 => binary(Binary::Multiply),
            0x05 => binary(Binary::DivideSigned),
            0x06 => binary(Binary::DivideUnsigned),
            0x07 => binary(Binary::RemainderSigned),
            0x08 => binary(Binary::RemainderUnsigned),
            0x09 => binary(Binary::ShiftLeft),
            0x0a => binary(Binary::ShiftRightSigned),
            0x0b => binary(Binary::ShiftRightUnsigned),
            0x0e => Ok(Self::LogicalNot),
            0x0f => binary(Binary::And),
            0x10 => binary(Binary::Or),
            0x11 => binary(Binary::Xor),
            0x12 => Ok(Self::Not),
            0x13 => binary(Binary::Equal),
            0x14 => binary(Binary::LessSigned),
            0x15 => binary(Binary::LessUnsigned),
            0x16 => Ok(Self::SignExtend(reader.bits(opcode)?)),
            0x17 => Ok(Self::Load(1)),
            0x18 => Ok(Self::Load(2)),
            0x19 => Ok(Self::Load(4)),
            0x1a => Ok(Self::Load(8)),
            0x20 => Ok(Self::JumpIf(reader.number(2)? as u16)),
            0x21 => Ok(Self::Jump(reader.number(2)? as u16)),
            0x22 => Ok(Self::Constant(reader.number(1)?)),
            0x23 => Ok(Self::Constant(reader.number(2)?)),
            0x24 => Ok(Self::Constant(reader.number(4)?)),
            0x25 => Ok(Self::Constant(reader.number(8)?)),
            0x26 => Ok(Self::Register(reader.number(2)? as u16)),
            0x27 => Ok(Self::End),
            0x28 => Ok(Self::Pick(0)),
            0x29 => Ok(Self::Pop),
            0x2a => Ok(Self::ZeroExtend(reader.bits(opcode)?)),
            0x2b => Ok(Self::Swap),
            0x32 => Ok(Self::Pick(reader.byte()?)),
            0x33 => Ok(Self::Rotate),
            0x34 => reader.print(opcode),
            unsupported => Err(Undecodable::Unsupported(unsupported)),
        };
        Ok((operation?, reader.offset))
    }

    /// How many values it takes from the stack, and how many it puts there.
    pub(super) const fn effect(&self) -> (usize, usize) {
        match self {
            Self::Binary(_) => (2, 1),
            Self::LogicalNot | Self::Not | Self::SignExtend(_) | Self::ZeroExtend(_) | Self::Load(_) => {
                (1, 1)
            }
            Self::JumpIf(_) | Self::Pop => (1, 0),
            Self::Jump(_) | Self::End => (0, 0),
            Self::Constant(_) | Self::Register(_) => (0, 1),
            Self::Pick(depth) => (*depth as usize + 1, *depth as usize + 2),
            Self::Swap => (2, 2),
            Self::Rotate => (3, 3),
            // The function and the channel of C's fprintf, which have no meaning here.
            Self::Print { arguments, .. } => (*arguments as usize + 2, 0),
        }
    }
}

/// Bytes of the code from some offset on; numbers are big-endian.
struct Reader<'c> {
    code: &'c [u8],
    offset: usize,
}

impl<'c> Reader<'c> {
    fn bytes(&mut self, count: usize) -> Result<&'c [u8], Undecodable> {
        let end = self.offset.saturating_add(count);
        let bytes = self.code.get(self.offset..end).ok_or(Undecodable::CutOff)?;
        self.offset = end;
        Ok(bytes)
    }

    fn number(&mut self, count: usize) -> Result<u64, Undecodable> {
        Ok(self.bytes(count)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn byte(&mut self) -> Result<u8, Undecodable> {
        Ok(self.number(1)? as u8)
    }

    /// A number of bits of an operation that means nothing with others than 1 to 64.
    fn bits(&mut self, opcode: u8) -> Result<u8, Undecodable> {
        match self.byte()? {
            bits @ 1..=64 => Ok(bits),
            _ => Err(Undecodable::Unsupported(opcode)),
        }
    }

    fn print(&mut self, opcode: u8) -> Result<Operation<'c>, Undecodable> {
        let arguments = self.byte()?;
        let length = self.number(2)? as usize;
        match self.bytes(length)?.split_last() {
            Some((0, format)) => Ok(Operation::Print { arguments, format }),
            _ => Err(Undecodable::Unsupported(opcode)),
        }
    }
}
