//! Which kernel selects. In: the dtype of what is chosen between, and which operands are splats. Out: a kernel. Elements
//! are moved by their size, whatever they mean.

use super::{
    Kernel, Splats,
    map::{Contiguous, OperandLayout, RawElement, Splat, select},
};
use crate::{graph::DType, runtime::instruction_set::InstructionSet};

/// The kernel of `Select`.
pub(super) fn kernel(dtype: DType, splats: Splats, set: InstructionSet) -> Kernel {
    match dtype {
        DType::F32 => with_condition::<u32>(splats, set),
        DType::F64 | DType::I64 => with_condition::<u64>(splats, set),
        DType::Bool => with_condition::<u8>(splats, set),
    }
}

fn with_condition<T: RawElement>(splats: Splats, set: InstructionSet) -> Kernel {
    if splats.has(0) { with_choices::<T, Splat>(splats, set) } else { with_choices::<T, Contiguous>(splats, set) }
}

fn with_choices<T: RawElement, C: OperandLayout>(splats: Splats, set: InstructionSet) -> Kernel {
    match (splats.has(1), splats.has(2)) {
        (false, false) => select::<T, C, Contiguous, Contiguous>(set),
        (true, false) => select::<T, C, Splat, Contiguous>(set),
        (false, true) => select::<T, C, Contiguous, Splat>(set),
        (true, true) => select::<T, C, Splat, Splat>(set),
    }
}
