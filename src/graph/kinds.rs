//! The kinds that primitives come in: which elementwise function, which reduction, which way. In: nothing. Out: one enum
//! for each family, whose variants have the names of the text form. [`op`](super::op) puts them into primitives.

use crate::functions::elementwise_functions;

/// An enum whose variants have a name in the text form.
macro_rules! named {
    ($(#[$doc:meta])* $enum:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $enum { $($(#[$variant_doc])* $variant),* }

        impl $enum {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [$enum] = &[$($enum::$variant),*];

            /// The name in the text form.
            pub fn name(self) -> &'static str {
                match self { $($enum::$variant => $name),* }
            }

            /// The variant of that name.
            pub fn from_name(name: &str) -> Option<$enum> {
                match name { $($name => Some($enum::$variant),)* _ => None }
            }
        }
    };
}

/// The names of the elementwise functions, from their rows in `functions.rs`.
macro_rules! name_functions {
    (
        unary { $(
            $(#[$unary_doc:meta])* $unary:ident = $unary_name:literal, $unary_method:ident($($x:tt)*) -> $unary_y:ident {
                $($unary_facts:tt)*
            }
        )* }
        binary { $(
            $(#[$binary_doc:meta])* $binary:ident = $binary_name:literal, $binary_method:ident($($a:tt)*) -> $binary_y:ident {
                $($binary_facts:tt)*
            }
        )* }
    ) => {
        named! {
            /// Functions of one number, elementwise: the rows of the table in `functions.rs`. Conventions at kinks are in
            /// `docs/reference/conventions.md`.
            Unary { $($(#[$unary_doc])* $unary = $unary_name),* }
        }

        named! {
            /// Functions of two numbers, elementwise: the rows of the table in `functions.rs`.
            Binary { $($(#[$binary_doc])* $binary = $binary_name),* }
        }
    };
}
elementwise_functions!(name_functions);

named! {
    /// Comparisons of two numbers, elementwise, to `bool`. Any comparison with NaN but `not_equal` is false.
    Comparison {
        /// a = b.
        Equal = "equal",
        /// a ≠ b.
        NotEqual = "not_equal",
        /// a < b.
        Less = "less",
        /// a ≤ b.
        LessEqual = "less_equal",
        /// a > b.
        Greater = "greater",
        /// a ≥ b.
        GreaterEqual = "greater_equal",
    }
}

named! {
    /// Connectives of two truth values, elementwise.
    Connective {
        /// Both.
        And = "and",
        /// Either.
        Or = "or",
        /// Exactly one.
        Xor = "xor",
    }
}

named! {
    /// Questions about one value, elementwise, answered in `bool`.
    Predicate {
        /// Not x, of truth values.
        Not = "not",
        /// Neither infinite nor NaN, of floats.
        IsFinite = "is_finite",
        /// NaN, of floats.
        IsNan = "is_nan",
    }
}

named! {
    /// Reductions that remove axes.
    Reduction {
        /// The sum; 0 of nothing.
        Sum = "sum",
        /// The product; 1 of nothing.
        Product = "prod",
        /// The greatest; NaN if any is; an error of nothing.
        Max = "max",
        /// The least; NaN if any is; an error of nothing.
        Min = "min",
    }
}

named! {
    /// On which side of equal elements a position is.
    Side {
        /// Before the first.
        Left = "left",
        /// After the last.
        Right = "right",
    }
}

named! {
    /// Orders along one axis, as positions in `i64`.
    Ranking {
        /// Where the greatest is, the first of ties; NaN counts as the greatest.
        ArgMax = "argmax",
        /// Where the least is, the first of ties; NaN counts as the least.
        ArgMin = "argmin",
        /// The positions in ascending order of value, stable; NaN last.
        ArgSort = "argsort",
        /// At each position where the greatest up to it is, the first of ties; NaN counts as the greatest.
        CumulativeArgMax = "cumulative_argmax",
        /// At each position where the least up to it is, the first of ties; NaN counts as the least.
        CumulativeArgMin = "cumulative_argmin",
    }
}

named! {
    /// What is taken over each window.
    WindowReduction {
        /// The sum; padding counts as 0.
        Sum = "window_sum",
        /// The greatest; padding is never it.
        Max = "window_max",
        /// Position of the greatest in the flattened operand, the first of ties, as `i64`.
        ArgMax = "window_argmax",
    }
}

named! {
    /// Which way a running sum or a recurrence goes.
    ScanDirection {
        /// From the first element.
        Forward = "forward",
        /// From the last element.
        Backward = "backward",
    }
}

named! {
    /// Which half of a matrix is meant; the diagonal belongs to both.
    Triangle {
        /// On and below the diagonal.
        Lower = "lower",
        /// On and above the diagonal.
        Upper = "upper",
    }
}

named! {
    /// Whether a matrix is used as it is or transposed.
    Orientation {
        /// As it is.
        Plain = "plain",
        /// Transposed.
        Transposed = "transposed",
    }
}

impl ScanDirection {
    /// The other one.
    pub fn reversed(self) -> ScanDirection {
        match self {
            ScanDirection::Forward => ScanDirection::Backward,
            ScanDirection::Backward => ScanDirection::Forward,
        }
    }
}
