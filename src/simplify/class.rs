//! What rewrites promise, from the strictest promise to the weakest.

/// What a rewrite promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Class {
    /// The same bits, signs of zeros included; NaN where there was NaN, whatever its payload.
    Exact,
    /// Rounding may differ, and the sign of a zero; NaN and infinity stay where they are, but where a partial sum or product
    /// overflows or is subnormal in one order and not in the other.
    Ulp,
    /// A NaN, an infinity or a loss of digits that the exact value does not have may become the exact value.
    Stabilize,
    /// Right for ordinary numbers; NaN, infinity and cancellation are not kept.
    FastMath,
}

impl Class {
    /// Every class, the strictest first.
    pub const ALL: [Class; 4] = [Class::Exact, Class::Ulp, Class::Stabilize, Class::FastMath];

    /// The name in reports and in `docs/reference/rewrites.md`.
    pub fn name(self) -> &'static str {
        match self {
            Class::Exact => "exact",
            Class::Ulp => "ulp",
            Class::Stabilize => "stabilize",
            Class::FastMath => "fast-math",
        }
    }
}
