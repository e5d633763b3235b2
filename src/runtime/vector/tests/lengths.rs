//! Every kernel at every kind of length and layout gives, bit for bit, what it gives one element at a time.

use super::{InstructionSet, Random};
use crate::{
    graph::{Binary, Comparison, Connective, DType, Predicate, Unary},
    plan::{Function, PAIRS, Pair, PairKind},
    runtime::vector::{Kernel, Splats, kernel, pair_kernel},
};

const LENGTHS: [usize; 14] = [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 1000, 1024];

/// Elements of any dtype, in memory that is aligned for all of them.
struct TestColumn {
    words: Vec<u64>,
    width: usize,
}

impl TestColumn {
    fn filled(dtype: DType, n: usize, random: &mut Random) -> TestColumn {
        let mut column = TestColumn::zeroed(dtype, n);
        for index in 0..n {
            let x = match index % 13 {
                3 => random.finite(),
                5 => f64::INFINITY.copysign(random.between(-1.0, 1.0)),
                7 => f64::NAN,
                9 => 0.0f64.copysign(random.between(-1.0, 1.0)),
                _ => random.between(-4.0, 4.0),
            };
            let bytes: &[u8] = match dtype {
                DType::F32 => &(x as f32).to_ne_bytes(),
                DType::F64 => &x.to_ne_bytes(),
                DType::I64 => &((x * 3.0) as i64).to_ne_bytes(),
                DType::Bool => &[u8::from(x > 0.0)],
            };
            column.write(index, bytes);
        }
        column
    }

    fn zeroed(dtype: DType, n: usize) -> TestColumn {
        let width = width(dtype);
        TestColumn { words: vec![0; (n * width).div_ceil(8)], width }
    }

    fn write(&mut self, index: usize, bytes: &[u8]) {
        for (offset, byte) in bytes.iter().enumerate() {
            let position = index * self.width + offset;
            let mut word = self.words[position / 8].to_ne_bytes();
            word[position % 8] = *byte;
            self.words[position / 8] = u64::from_ne_bytes(word);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    /// Where element `index` is.
    fn pointer_to(&self, index: usize) -> *const u8 {
        self.words.as_ptr().cast::<u8>().wrapping_add(index * self.width)
    }
}

fn width(dtype: DType) -> usize {
    match dtype {
        DType::F32 => 4,
        DType::F64 | DType::I64 => 8,
        DType::Bool => 1,
    }
}

fn functions() -> Vec<Function> {
    let mut candidates: Vec<Function> = Unary::ALL.iter().map(|function| Function::Unary(*function)).collect();
    candidates.extend(Binary::ALL.iter().map(|function| Function::Binary(*function)));
    candidates.extend(Comparison::ALL.iter().map(|function| Function::Comparison(*function)));
    candidates.extend(Connective::ALL.iter().map(|function| Function::Connective(*function)));
    candidates.extend(Predicate::ALL.iter().map(|function| Function::Predicate(*function)));
    candidates.extend([-2, -1, 0, 1, 2, 3, 4].map(Function::IntegerPower));
    candidates.push(Function::Select);
    candidates.extend(DType::ALL.map(Function::Cast));
    candidates
}

fn output(function: Function, dtype: DType) -> DType {
    match function {
        Function::Comparison(_) | Function::Connective(_) | Function::Predicate(_) => DType::Bool,
        Function::Cast(target) => target,
        _ => dtype,
    }
}

/// Which operands of a function may be splats in one call.
fn layouts(function: Function) -> Vec<Splats> {
    let none = Splats::NONE;
    match function {
        Function::Binary(_) | Function::Comparison(_) | Function::Connective(_) => {
            vec![none, none.with(0), none.with(1)]
        }
        Function::Select => {
            let with = |bits: usize| (0..3).filter(|index| bits >> index & 1 == 1).fold(none, Splats::with);
            (0..8).map(with).collect()
        }
        _ => vec![none],
    }
}

#[test]
fn every_kernel_gives_the_same_at_every_length_as_alone() {
    let mut kernels = 0;
    for function in functions() {
        for dtype in DType::ALL {
            for splats in layouts(function) {
                for set in InstructionSet::available() {
                    let Some(kernel) = kernel(function, dtype, splats, set) else { continue };
                    kernels += 1;
                    for n in LENGTHS {
                        check(kernel, (function, dtype, splats), n);
                    }
                }
            }
        }
    }
    // Integer powers of two floats, predicates of two floats and one of bool, casts; pairs in three layouts.
    let (unary, binary) = (Unary::ALL.len(), Binary::ALL.len());
    let unary_of_integers = Unary::ALL.iter().filter(|function| function.is_for_integers()).count();
    let binary_of_integers = Binary::ALL.iter().filter(|function| function.is_for_integers()).count();
    let of_one = (unary + 7) * 2 + unary_of_integers + 2 * 2 + 1 + 16;
    let of_two = 3 * (binary * 2 + binary_of_integers + 6 * 3 + 3);
    assert_eq!(kernels, InstructionSet::available().len() * (of_one + of_two + 8 * 4));
}

fn check(kernel: Kernel, (function, dtype, splats): (Function, DType, Splats), n: usize) {
    let mut random = Random(n as u64);
    let target = output(function, dtype);
    let first = if function == Function::Select { DType::Bool } else { dtype };
    let columns = [first, dtype, dtype].map(|dtype| TestColumn::filled(dtype, n.max(1), &mut random));
    let (mut together, mut alone) = (TestColumn::zeroed(target, n + 1), TestColumn::zeroed(target, n + 1));
    // SAFETY: the columns have at least n elements of the operands' dtypes and the result n + 1 of the target's.
    unsafe { kernel(together.words.as_mut_ptr().cast(), &[0, 1, 2].map(|operand| columns[operand].pointer_to(0)), n) };
    for index in 0..n {
        let address = |operand: usize| columns[operand].pointer_to(if splats.has(operand) { 0 } else { index });
        let out = alone.words.as_mut_ptr().cast::<u8>().wrapping_add(index * alone.width);
        // SAFETY: each operand and the result are one element inside the arrays above.
        unsafe { kernel(out, &[address(0), address(1), address(2)], 1) };
    }
    let (together, alone) = (canonical(&together, target), canonical(&alone, target));
    assert_eq!(together, alone, "{function:?} of {dtype} with {splats:?} at length {n}");
}

/// What every instruction set makes of numbers of all kinds, to the last bit.
#[test]
fn every_set_gives_the_same_bits() {
    let n = 4000;
    for function in functions().into_iter().chain([-3, 5, 1 << 40].map(Function::IntegerPower)) {
        for dtype in DType::ALL {
            let mut random = Random(n as u64);
            let target = output(function, dtype);
            let first = if function == Function::Select { DType::Bool } else { dtype };
            let mut columns = [first, dtype, dtype].map(|dtype| TestColumn::filled(dtype, n, &mut random));
            if let Function::IntegerPower(exponent) = function {
                columns[1].words[0] = exponent as u64;
            }
            let computed = InstructionSet::available().into_iter().filter_map(|set| {
                let kernel = kernel(function, dtype, Splats::NONE, set)?;
                let mut out = TestColumn::zeroed(target, n);
                // SAFETY: the columns have n elements of the operands' dtypes and the result n of the target's.
                unsafe { kernel(out.words.as_mut_ptr().cast(), &[0, 1, 2].map(|x| columns[x].pointer_to(0)), n) };
                Some(canonical(&out, target))
            });
            let computed: Vec<Vec<u8>> = computed.collect();
            assert!(computed.windows(2).all(|pair| pair[0] == pair[1]), "{function:?} of {dtype}");
        }
    }
}

/// Whoever computes a function beside another gets the numbers that it has alone.
#[test]
fn every_pair_gives_at_every_length_what_its_functions_give_alone() {
    for pair in PAIRS {
        for dtype in [DType::F32, DType::F64] {
            for set in InstructionSet::available() {
                LENGTHS.iter().for_each(|n| check_pair(pair, dtype, set, *n));
            }
        }
    }
}

fn check_pair(pair: Pair, dtype: DType, set: InstructionSet, n: usize) {
    let x = TestColumn::filled(dtype, n.max(1), &mut Random(n as u64));
    let none = Splats::NONE;
    let outputs = [0; 2].map(|_| std::cell::RefCell::new(TestColumn::zeroed(dtype, n + 1)));
    let addresses = [0, 1].map(|side: usize| outputs[side].borrow_mut().words.as_mut_ptr().cast::<u8>());
    let pair_kernel_fn = pair_kernel(pair, dtype, set).expect("pairs are of floats");
    // SAFETY: x has at least n elements of the dtype and each output n + 1.
    unsafe { pair_kernel_fn(&addresses, x.pointer_to(0), n) };
    let mut negated = TestColumn::zeroed(dtype, n + 1);
    let negate = kernel(Function::Unary(Unary::Negate), dtype, none, set).expect("floats have a negative");
    // SAFETY: as above.
    unsafe { negate(negated.words.as_mut_ptr().cast(), &[x.pointer_to(0); 3], n) };
    let alone = match pair.both {
        // Alone it is made of the other, a rounding or two apart; together it is the function of −x itself.
        PairKind::Sigmoids => [(pair.functions[0], &x), (pair.functions[0], &negated)],
        PairKind::TanhAndSlope | PairKind::SineAndCosine => [(pair.functions[0], &x), (pair.functions[1], &x)],
    };
    for (output, (function, x)) in outputs.iter().zip(alone) {
        let kernel = kernel(function, dtype, none, set).expect("each has a kernel");
        let mut expected = TestColumn::zeroed(dtype, n + 1);
        // SAFETY: as above.
        unsafe { kernel(expected.words.as_mut_ptr().cast(), &[x.pointer_to(0); 3], n) };
        let (found, expected) = (canonical(&output.borrow(), dtype), canonical(&expected, dtype));
        assert_eq!(found, expected, "{function:?} of {dtype} in {:?} with {set:?} at length {n}", pair.both);
    }
}

/// The bytes, with every NaN the same.
fn canonical(column: &TestColumn, dtype: DType) -> Vec<u8> {
    let bytes = column.bytes();
    let replace = |chunk: &[u8], is_nan: bool| if is_nan { vec![0xff; chunk.len()] } else { chunk.to_vec() };
    match dtype {
        DType::F32 => bytes
            .chunks_exact(4)
            .flat_map(|chunk| replace(chunk, f32::from_ne_bytes(chunk.try_into().unwrap()).is_nan()))
            .collect(),
        DType::F64 => bytes
            .chunks_exact(8)
            .flat_map(|chunk| replace(chunk, f64::from_ne_bytes(chunk.try_into().unwrap()).is_nan()))
            .collect(),
        DType::I64 | DType::Bool => bytes,
    }
}

/// What has no kernel.
#[test]
fn functions_without_a_meaning_have_no_kernel() {
    let none = Splats::NONE;
    for set in InstructionSet::available() {
        assert!(kernel(Function::Unary(Unary::Exp), DType::I64, none, set).is_none());
        assert!(kernel(Function::Unary(Unary::Negate), DType::Bool, none, set).is_none());
        assert!(kernel(Function::Binary(Binary::Pow), DType::I64, none, set).is_none());
        assert!(kernel(Function::Binary(Binary::Add), DType::F32, none.with(0).with(1), set).is_none());
        assert!(kernel(Function::Comparison(Comparison::Less), DType::Bool, none, set).is_none());
        assert!(kernel(Function::Predicate(Predicate::IsNan), DType::I64, none, set).is_none());
        assert!(kernel(Function::IntegerPower(2), DType::I64, none, set).is_none());
    }
}
