//! Which vector instructions the kernels use. In: nothing. Out: the sets that this machine has and that kernels are compiled for. They
//! are found at run time, so nobody has to set compiler flags.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// A set of vector instructions that this machine has: there is no other way to one than [`InstructionSet::widest`] and its
/// neighbours, which ask the machine.
///
/// A compiled program gives the same bits with every set, and so on every machine; the documentation has
/// [what is left out](crate::guide::running#the-same-bits-everywhere).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
pub struct InstructionSet(SetKind);

/// What kernels are compiled for; that a machine has it is known of an [`InstructionSet`] alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum SetKind {
    /// What every machine of the target has. Where that is without fused multiply-add, which is emulated then, it is slow.
    Portable,
    /// 256-bit vectors with fused multiply-add (AVX2 and FMA).
    Avx2,
    /// 512-bit vectors (AVX-512 F, BW, DQ and VL, with AVX2 and FMA).
    Avx512,
}

/// A name of no instruction set, or of one that this machine lacks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("this machine has no instruction set `{name}`; it has {}", listed())]
pub struct UnknownInstructionSet {
    /// What was asked for.
    pub name: String,
}

impl InstructionSet {
    /// What every machine has.
    pub(crate) const PORTABLE: InstructionSet = InstructionSet(SetKind::Portable);

    pub(crate) fn kind(self) -> SetKind {
        self.0
    }

    /// The widest set of this machine.
    ///
    /// # Example
    /// ```
    /// use pullback::InstructionSet;
    /// assert!(InstructionSet::available().contains(&InstructionSet::widest()));
    /// println!("{}", InstructionSet::widest()); // avx512
    /// ```
    pub fn widest() -> InstructionSet {
        #[cfg(target_arch = "x86_64")]
        {
            let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let has_avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if has_avx2 && has_avx512 {
                return InstructionSet(SetKind::Avx512);
            }
            if has_avx2 {
                return InstructionSet(SetKind::Avx2);
            }
        }
        InstructionSet::PORTABLE
    }

    /// The sets of this machine, from the narrowest to the widest: `portable`, `avx2`, `avx512`.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, InstructionSet, Options};
    /// let g = Graph::new();
    /// let x = g.input("x", (3,));
    /// let mut found = Vec::new();
    /// for set in InstructionSet::available() {
    ///     let options = Options { instruction_set: Some(set), ..Options::default() };
    ///     let mut program = g.compile_with(x.tanh().sum(), &options)?;
    ///     found.push(program.call(("x", [0.5_f32, 1.0, 2.0]))?.scalar::<f32>("result")?.to_bits());
    /// }
    /// assert!(found.iter().all(|bits| *bits == found[0]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn available() -> Vec<InstructionSet> {
        let sets = [SetKind::Portable, SetKind::Avx2, SetKind::Avx512].map(InstructionSet);
        sets.into_iter().filter(|set| *set <= InstructionSet::widest()).collect()
    }

    fn name(self) -> &'static str {
        match self.0 {
            SetKind::Portable => "portable",
            SetKind::Avx2 => "avx2",
            SetKind::Avx512 => "avx512",
        }
    }
}

fn listed() -> String {
    InstructionSet::available().iter().map(|set| format!("`{set}`")).collect::<Vec<_>>().join(", ")
}

/// Its name, as [`str::parse`] reads it.
impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// By its name, if this machine has it.
impl FromStr for InstructionSet {
    type Err = UnknownInstructionSet;

    fn from_str(name: &str) -> Result<InstructionSet, UnknownInstructionSet> {
        let found = InstructionSet::available().into_iter().find(|set| set.name() == name);
        found.ok_or_else(|| UnknownInstructionSet { name: name.to_owned() })
    }
}

impl From<InstructionSet> for String {
    fn from(set: InstructionSet) -> String {
        set.name().to_owned()
    }
}

impl TryFrom<String> for InstructionSet {
    type Error = UnknownInstructionSet;

    fn try_from(name: String) -> Result<InstructionSet, UnknownInstructionSet> {
        name.parse()
    }
}
