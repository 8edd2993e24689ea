//! C expressions as agent bytecode.
//!
//! Constants, `$registers`, symbols (a symbol is its address, as `&symbol` is), `*(u32*)address`, `p[3]`, casts,
//! and all operators without side effects but `?:`. Everything is calculated in 64 bits; a register is signed,
//! as in gdb, an address is not, and an operation with one operand that is not signed is not.

mod lexer;
mod types;

use anyhow::{Result, bail};
use trapline_core::agent::{self, Operand};
use trapline_core::target::{Register, SystemRegister};

use lexer::{Token, tokens};
use types::{Integer, Type};

/// Opcodes of gdb's agent expressions (GDB manual, "Bytecode Descriptions").
mod opcode {
    pub(super) const ADD: u8 = 0x02;
    pub(super) const SUB: u8 = 0x03;
    pub(super) const MUL: u8 = 0x04;
    pub(super) const DIV_SIGNED: u8 = 0x05;
    pub(super) const DIV_UNSIGNED: u8 = 0x06;
    pub(super) const REM_SIGNED: u8 = 0x07;
    pub(super) const REM_UNSIGNED: u8 = 0x08;
    pub(super) const LSH: u8 = 0x09;
    pub(super) const RSH_SIGNED: u8 = 0x0a;
    pub(super) const RSH_UNSIGNED: u8 = 0x0b;
    pub(super) const LOG_NOT: u8 = 0x0e;
    pub(super) const BIT_AND: u8 = 0x0f;
    pub(super) const BIT_OR: u8 = 0x10;
    pub(super) const BIT_XOR: u8 = 0x11;
    pub(super) const BIT_NOT: u8 = 0x12;
    pub(super) const EQUAL: u8 = 0x13;
    pub(super) const LESS_SIGNED: u8 = 0x14;
    pub(super) const LESS_UNSIGNED: u8 = 0x15;
    pub(super) const EXT: u8 = 0x16;
    pub(super) const REF8: u8 = 0x17;
    pub(super) const REF16: u8 = 0x18;
    pub(super) const REF32: u8 = 0x19;
    pub(super) const REF64: u8 = 0x1a;
    pub(super) const IF_GOTO: u8 = 0x20;
    pub(super) const GOTO: u8 = 0x21;
    pub(super) const CONST8: u8 = 0x22;
    pub(super) const CONST16: u8 = 0x23;
    pub(super) const CONST32: u8 = 0x24;
    pub(super) const CONST64: u8 = 0x25;
    pub(super) const REG: u8 = 0x26;
    pub(super) const END: u8 = 0x27;
    pub(super) const ZERO_EXT: u8 = 0x2a;
    pub(super) const SWAP: u8 = 0x2b;
}

/// How deep an expression may be nested: far deeper than the stack of its evaluation.
const DEPTH: u32 = 64;

/// Makes bytecode of an expression; `symbol` knows the addresses of symbols. With `narrow` its registers are those of
/// 32-bit code: AArch32, or the M profile.
///
/// # Errors
/// Where it is no expression, or one that the engine would not evaluate.
pub fn compile(text: &str, narrow: bool, symbol: &dyn Fn(&str) -> Result<u64>) -> Result<Vec<u8>> {
    let mut compiler =
        Compiler { tokens: tokens(text)?, next: 0, code: Vec::new(), narrow, symbol, depth: 0 };
    compiler.binary(0)?;
    if let Some(token) = compiler.peek() {
        bail!("'{token}' has no place there");
    }
    compiler.code.push(opcode::END);
    agent::check(&compiler.code)?;
    Ok(compiler.code)
}

struct Compiler<'a> {
    tokens: Vec<Token>,
    next: usize,
    code: Vec<u8>,
    narrow: bool,
    symbol: &'a dyn Fn(&str) -> Result<u64>,
    depth: u32,
}

/// Binary operators by how tightly they bind, the loosest first.
const OPERATORS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<", "<=", ">", ">="],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl Compiler<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Result<Token> {
        let Some(token) = self.peek().cloned() else { bail!("the expression ends too early") };
        self.next += 1;
        Ok(token)
    }

    fn take_if(&mut self, sign: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.next += usize::from(is);
        is
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        if self.take_if(sign) {
            return Ok(());
        }
        match self.peek() {
            Some(token) => bail!("'{sign}' is missing before '{token}'"),
            None => bail!("'{sign}' is missing at the end"),
        }
    }

    /// An expression of operators that bind at least as tightly as those of `level`.
    fn binary(&mut self, level: usize) -> Result<Type> {
        let Some(operators) = OPERATORS.get(level) else { return self.unary() };
        self.depth += 1;
        if self.depth > DEPTH * OPERATORS.len() as u32 {
            bail!("the expression is nested too deeply");
        }
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().copied().find(|sign| self.take_if(sign)) {
            left = match operator {
                "&&" | "||" => self.short_circuit(operator, level)?,
                _ => {
                    let right = self.binary(level + 1)?;
                    self.operation(operator, left, right)?
                }
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    /// The right side of an operator whose left side may decide alone.
    fn short_circuit(&mut self, operator: &str, level: usize) -> Result<Type> {
        if operator == "&&" {
            self.code.push(opcode::LOG_NOT);
        }
        let decided = self.jump(opcode::IF_GOTO);
        self.binary(level + 1)?;
        self.code.extend([opcode::LOG_NOT, opcode::LOG_NOT]);
        let end = self.jump(opcode::GOTO);
        self.land(decided)?;
        self.constant(u64::from(operator == "||"));
        self.land(end)?;
        Ok(Type::Integer(Integer::I64))
    }

    /// A jump to be given its target by [`Self::land`].
    fn jump(&mut self, opcode: u8) -> usize {
        self.code.extend([opcode, 0, 0]);
        self.code.len() - 2
    }

    fn land(&mut self, jump: usize) -> Result<()> {
        let here = u16::try_from(self.code.len())?.to_be_bytes();
        if let Some(place) = self.code.get_mut(jump..jump + 2) {
            place.copy_from_slice(&here);
        }
        Ok(())
    }

    fn operation(&mut self, operator: &str, left: Type, right: Type) -> Result<Type> {
        if let (Type::Pointer(to), "+" | "-") = (left, operator) {
            return self.move_pointer(operator, to, right);
        }
        if matches!(right, Type::Pointer(_)) && operator == "+" {
            bail!("write the pointer before the number that is added to it");
        }
        let signed = left.is_signed() && right.is_signed();
        let by_sign = |yes, no| if signed { yes } else { no };
        let less = by_sign(opcode::LESS_SIGNED, opcode::LESS_UNSIGNED);
        let code: &[u8] = match operator {
            "|" => &[opcode::BIT_OR],
            "^" => &[opcode::BIT_XOR],
            "&" => &[opcode::BIT_AND],
            "==" => &[opcode::EQUAL],
            "!=" => &[opcode::EQUAL, opcode::LOG_NOT],
            "<" => &[less],
            "<=" => &[opcode::SWAP, less, opcode::LOG_NOT],
            ">" => &[opcode::SWAP, less],
            ">=" => &[less, opcode::LOG_NOT],
            "<<" => &[opcode::LSH],
            // What is shifted decides alone.
            ">>" => &[if left.is_signed() { opcode::RSH_SIGNED } else { opcode::RSH_UNSIGNED }],
            "+" => &[opcode::ADD],
            "-" => &[opcode::SUB],
            "*" => &[opcode::MUL],
            "/" => &[by_sign(opcode::DIV_SIGNED, opcode::DIV_UNSIGNED)],
            "%" => &[by_sign(opcode::REM_SIGNED, opcode::REM_UNSIGNED)],
            other => bail!("there is no operator '{other}'"),
        };
        self.code.extend_from_slice(code);
        Ok(Type::Integer(match operator {
            "==" | "!=" | "<" | "<=" | ">" | ">=" => Integer::I64,
            _ if signed => Integer::I64,
            _ => Integer::U64,
        }))
    }

    /// A pointer moved by as many elements as the number on the stack says.
    fn move_pointer(&mut self, operator: &str, to: Integer, by: Type) -> Result<Type> {
        if let Type::Pointer(_) = by {
            if operator == "+" {
                bail!("two pointers cannot be added");
            }
            self.code.push(opcode::SUB);
            self.constant(to.bytes().into());
            self.code.push(opcode::DIV_SIGNED);
            return Ok(Type::Integer(Integer::I64));
        }
        self.constant(to.bytes().into());
        self.code.push(opcode::MUL);
        self.code.push(if operator == "+" { opcode::ADD } else { opcode::SUB });
        Ok(Type::Pointer(to))
    }

    fn unary(&mut self) -> Result<Type> {
        self.depth += 1;
        if self.depth > DEPTH * OPERATORS.len() as u32 {
            bail!("the expression is nested too deeply");
        }
        let kind = self.unary_inside()?;
        self.depth -= 1;
        Ok(kind)
    }

    fn unary_inside(&mut self) -> Result<Type> {
        if self.take_if("!") {
            self.unary()?;
            self.code.push(opcode::LOG_NOT);
            return Ok(Type::Integer(Integer::I64));
        }
        if self.take_if("~") {
            let of = self.unary()?;
            self.code.push(opcode::BIT_NOT);
            return Ok(of.widened());
        }
        if self.take_if("-") {
            // There is no negation: it is taken from 0.
            self.constant(0);
            let of = self.unary()?;
            self.code.push(opcode::SUB);
            return Ok(of.widened());
        }
        if self.take_if("+") {
            return self.unary();
        }
        if self.take_if("*") {
            let of = self.unary()?;
            return self.dereference(of);
        }
        if self.take_if("&") {
            return match self.take()? {
                Token::Name(name) => self.symbol(&name),
                other => bail!("only a symbol has an address, not '{other}'"),
            };
        }
        if let Some(kind) = self.cast()? {
            let of = self.unary()?;
            self.convert(of, kind);
            return Ok(kind);
        }
        self.postfix()
    }

    /// A type in parentheses, if one comes next.
    fn cast(&mut self) -> Result<Option<Type>> {
        let begin = self.next;
        if !self.take_if("(") {
            return Ok(None);
        }
        let mut words = Vec::new();
        while let Some(Token::Name(name)) = self.peek() {
            words.push(name.clone());
            self.next += 1;
        }
        let Some(integer) = Integer::named(&words) else {
            self.next = begin;
            return Ok(None);
        };
        let kind = if self.take_if("*") { Type::Pointer(integer) } else { Type::Integer(integer) };
        self.expect(")")?;
        Ok(Some(kind))
    }

    fn convert(&mut self, of: Type, to: Type) {
        if let Type::Integer(integer) = to
            && of != to
            && integer.bytes() < 8
        {
            let extension = if integer.is_signed() { opcode::EXT } else { opcode::ZERO_EXT };
            self.code.extend([extension, 8 * integer.bytes()]);
        }
    }

    fn dereference(&mut self, of: Type) -> Result<Type> {
        let Type::Pointer(to) = of else {
            bail!("say what is there before it is read, as in *(u32*)address");
        };
        self.code.push(match to.bytes() {
            1 => opcode::REF8,
            2 => opcode::REF16,
            4 => opcode::REF32,
            _ => opcode::REF64,
        });
        if to.is_signed() && to.bytes() < 8 {
            self.code.extend([opcode::EXT, 8 * to.bytes()]);
        }
        Ok(Type::Integer(to))
    }

    fn postfix(&mut self) -> Result<Type> {
        let mut kind = self.primary()?;
        while self.take_if("[") {
            let Type::Pointer(to) = kind else {
                bail!("say what is there before [, as in ((u32*)address)[1]")
            };
            let index = self.binary(0)?;
            self.expect("]")?;
            let element = self.move_pointer("+", to, index)?;
            kind = self.dereference(element)?;
        }
        Ok(kind)
    }

    fn primary(&mut self) -> Result<Type> {
        match self.take()? {
            Token::Number(value) => {
                self.constant(value);
                Ok(Type::Integer(if value > i64::MAX as u64 { Integer::U64 } else { Integer::I64 }))
            }
            Token::Register(name) => self.register(&name),
            Token::Name(name) => self.symbol(&name),
            Token::Sign("(") => {
                let kind = self.binary(0)?;
                self.expect(")")?;
                Ok(kind)
            }
            other => bail!("'{other}' has no place there"),
        }
    }

    fn symbol(&mut self, name: &str) -> Result<Type> {
        let address = (self.symbol)(name)?;
        self.constant(address);
        Ok(Type::Integer(Integer::U64))
    }

    fn register(&mut self, name: &str) -> Result<Type> {
        let (operand, bits) = match narrow_register(name) {
            Some(operand) if self.narrow => (operand, 32),
            _ => register(name)?,
        };
        let Some(number) = agent::number(operand) else { bail!("${name} cannot be read by an expression") };
        self.code.push(opcode::REG);
        self.code.extend(number.to_be_bytes());
        if bits == 32 {
            self.code.extend([opcode::ZERO_EXT, 32]);
        }
        Ok(Type::Integer(match operand {
            Operand::Register(Register::X(_)) if bits == 64 => Integer::I64,
            _ => Integer::U64,
        }))
    }

    fn constant(&mut self, value: u64) {
        let bytes = value.to_be_bytes();
        let (opcode, length) = match value.leading_zeros() {
            56.. => (opcode::CONST8, 1),
            48.. => (opcode::CONST16, 2),
            32.. => (opcode::CONST32, 4),
            _ => (opcode::CONST64, 8),
        };
        self.code.push(opcode);
        self.code.extend(bytes.iter().skip(8 - length));
    }
}

/// A register of 32-bit code by its name (AAPCS32, "Core registers").
fn narrow_register(name: &str) -> Option<Operand> {
    let lower = name.to_ascii_lowercase();
    let number: u8 = match lower.as_str() {
        "fp" => 11,
        "ip" => 12,
        "sp" => 13,
        "lr" => 14,
        "pc" => 15,
        "cpsr" => return Some(Operand::Register(Register::Pstate)),
        _ => lower.strip_prefix('r')?.parse().ok()?,
    };
    match number {
        0..=7 => Some(Operand::Register(Register::X(number))),
        8..=14 => Some(Operand::Banked(number)),
        15 => Some(Operand::Register(Register::Pc)),
        _ => None,
    }
}

/// A register by its name, and how many of its bits are meant.
fn register(name: &str) -> Result<(Operand, u8)> {
    let lower = name.to_ascii_lowercase();
    let numbered = |prefix| lower.strip_prefix(prefix)?.parse().ok().filter(|number| *number <= 30);
    let register = match lower.as_str() {
        "sp" => return Ok((Operand::StackPointer, 64)),
        "pc" => Register::Pc,
        "cpsr" | "pstate" => Register::Pstate,
        "fp" => Register::X(29),
        "lr" => Register::X(30),
        "fpsr" => Register::Fpsr,
        "fpcr" => Register::Fpcr,
        _ if let Some(number @ ..=14) = numbered("r") => {
            return Ok((Operand::Register(Register::X(number)), 32));
        }
        _ => match (numbered("x"), numbered("w"), SystemRegister::by_name(name)) {
            (Some(number), ..) => Register::X(number),
            (_, Some(number), _) => return Ok((Operand::Register(Register::X(number)), 32)),
            (.., Some(register)) => Register::System(register),
            _ => bail!("there is no register ${name}"),
        },
    };
    Ok((Operand::Register(register), 64))
}

#[cfg(test)]
mod tests;
