//! The guests: a few instructions by hand (DDI 0487, "A64 Base Instruction Descriptions"), in an ELF file that
//! every VMM loads.

/// Where programs are, clear of the device tree that QEMU puts at the start of RAM.
const BASE: u64 = 0x4020_0000;
/// Where they count.
pub(crate) const DATA: u64 = 0x4030_0000;
/// Bytes between the counters of two cores.
const STRIDE: u64 = 64;
const NOP: u32 = 0xd503_201f;
/// How many NOPs there are to put breakpoints on.
pub(crate) const NOPS: u64 = 1000;

/// A guest's ELF file, and what is where in it.
pub(crate) struct Guest {
    pub(crate) elf: Vec<u8>,
    /// A function that is called for ever; it adds 1 to the counter at [`DATA`] through X1.
    pub(crate) function: u64,
    /// A loop that goes round as often as X2 says.
    pub(crate) counting: Loop,
    /// The same with instructions in it that a debugger has to step.
    pub(crate) stepped: Loop,
    /// The first of [`NOPS`] NOPs that are never executed.
    pub(crate) nops: u64,
}

/// Where a loop is, and how many instructions it has.
#[derive(Clone, Copy)]
pub(crate) struct Loop {
    pub(crate) address: u64,
    pub(crate) instructions: u32,
}

struct Program(Vec<u32>);

impl Program {
    fn here(&self) -> u64 {
        BASE + 4 * self.0.len() as u64
    }

    fn add(&mut self, word: u32) {
        self.0.push(word);
    }

    fn load(&mut self, register: u32, value: u64) {
        for part in 0..4 {
            let immediate = u32::from((value >> (16 * part)) as u16);
            let operation = if part == 0 { 0xd280_0000 } else { 0xf280_0000 };
            self.add(operation | part << 21 | immediate << 5 | register);
        }
    }

    fn branch(&mut self, operation: u32, to: u64) {
        let offset = (to.wrapping_sub(self.here()) as i64 / 4) as u32;
        self.add(operation | (offset & 0x03ff_ffff));
    }

    fn pad_to(&mut self, address: u64) {
        while self.here() < address {
            self.add(NOP);
        }
    }

    /// An ELF file with one segment.
    fn elf(&self) -> Vec<u8> {
        const OFFSET: usize = 0x1000;
        let length = 4 * self.0.len() as u64;
        let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
        file.resize(16, 0);
        // ET_EXEC, EM_AARCH64, version 1; entry, program headers, no section headers.
        file.extend([2, 0, 183, 0, 1, 0, 0, 0]);
        for word in [BASE, 64, 0] {
            file.extend(word.to_le_bytes());
        }
        // Flags; sizes of the header and of a program header, one of them.
        file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
        // PT_LOAD, readable, writable, executable.
        file.extend([1, 0, 0, 0, 7, 0, 0, 0]);
        for word in [OFFSET as u64, BASE, BASE, length, length, 0x1000] {
            file.extend(word.to_le_bytes());
        }
        file.resize(OFFSET, 0);
        file.extend(self.0.iter().flat_map(|word| word.to_le_bytes()));
        file
    }
}

/// Where the bare loops begin: the first instruction.
pub(crate) const ENTRY: u64 = BASE;

/// A guest of `cores` cores, which all call the function for ever, each with a counter of its own.
pub(crate) fn guest(cores: u16) -> Guest {
    const B: u32 = 0x1400_0000;
    const BL: u32 = 0x9400_0000;
    let (common, function, counting) = (BASE + 0x2000, BASE + 0x2100, BASE + 0x2200);
    let (stepped, nops) = (BASE + 0x2300, BASE + 0x3000);
    let mut program = Program(Vec::new());
    for core in 1..u64::from(cores) {
        // PSCI CPU_ON: KVM numbers 16 cores a cluster.
        program.load(1, (core & 0xf) | (core >> 4) << 8);
        program.load(2, common);
        program.load(3, DATA + STRIDE * core);
        program.load(0, 0xc400_0003);
        program.add(0xd400_0002); // HVC #0
    }
    program.load(0, DATA);
    program.branch(B, common);
    program.pad_to(common);
    program.add(0xaa00_03f4); // MOV X20, X0
    let again = program.here();
    program.branch(BL, function);
    program.branch(B, again);
    program.pad_to(function);
    program.add(0xf940_0281); // LDR X1, [X20]
    program.add(0x9100_0421); // ADD X1, X1, #1
    program.add(0xf900_0281); // STR X1, [X20]
    program.add(0xd65f_03c0); // RET
    program.pad_to(counting);
    program.add(0xd100_0442); // SUB X2, X2, #1
    program.add(0xb5ff_ffe2); // CBNZ X2, back to it
    program.branch(B, common);
    program.pad_to(stepped);
    program.add(0xd53b_4223); // MRS X3, DAIF
    program.add(0xd100_0442); // SUB X2, X2, #1
    program.add(0xd53b_4223); // MRS X3, DAIF
    program.add(0xb5ff_ffa2); // CBNZ X2, back to the first
    program.branch(B, common);
    program.pad_to(nops + 4 * NOPS);
    let counting = Loop { address: counting, instructions: 2 };
    let stepped = Loop { address: stepped, instructions: 4 };
    Guest { elf: program.elf(), function, counting, stepped, nops }
}
