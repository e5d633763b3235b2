//! The rewrites: a line for each, with its class and the identity it uses. In each class the order is that in which they
//! are tried. After the form of egg's rule lists (`tests/math.rs` of egraphs-good/egg).
//!
//! Never to be added, because each was a bug elsewhere: exp a·exp b → exp(a + b), log(exp x) → x, √(x²) → |x|,
//! a/√b → a·rsqrt b, and x·0 → 0 outside of fast-math.

use std::sync::LazyLock;

use super::{
    choice,
    class::Class::{self, Exact, FastMath, Stabilize, Ulp},
    constants::FOLD_CONSTANTS,
    factor,
    factors::SHARED_FACTORS,
    fold,
    guard::{
        ALWAYS, FIRST_GOES, FIRST_GOES_OF_INTEGERS, Guard, NORMAL_PRODUCT, OF_INTEGERS, ORDINARY, POWER_OF_TWO,
        SAME_SIDE_OF_ONE, SHIFTED_SOFTMAX,
    },
    joined, logarithm,
    loops::{PRODUCT_AFTER_LOOP, SAVE_WHAT_IS_READ},
    movement, product, reduction,
    rewriter::{COMMON_SUBEXPRESSION, RuleSet},
    rule::{Body, Rewrite, RewriteRule, Roots, RuleSummary, ready_at},
    shift, sink, stable,
    sums::EQUAL_SUMS,
};
use Roots::{Any, Elementwise, Movement, Named};

/// Every rule in the order of the table, with common subexpressions before and the folding of large constants, what is moved between loops, shared factors
/// and equal sums after it.
pub fn rules() -> Vec<RuleSummary> {
    let shared = RuleSummary {
        name: COMMON_SUBEXPRESSION,
        class: Exact,
        identity: "equal primitives of equal operands are one node".to_owned(),
        is_for_derivatives: false,
    };
    let folded = RuleSummary {
        name: FOLD_CONSTANTS,
        class: Ulp,
        identity: "f(constants) → constant, where that saves more than it takes to read".to_owned(),
        is_for_derivatives: false,
    };
    let factors = RuleSummary {
        name: SHARED_FACTORS,
        class: Ulp,
        identity: "(x·a)·b, (y·a)·b → x·(a·b), y·(a·b), (x/a)/b, (y/a)/b → x/(a·b), y/(a·b), of numbers; the shared product may \
                   overflow or underflow where no product did before, so that 0·∞ is NaN"
            .to_owned(),
        is_for_derivatives: false,
    };
    let sums = RuleSummary {
        name: EQUAL_SUMS,
        class: Ulp,
        identity: "(x + y) − z, y − (z − x), (z − y) − x → one of them, and so (−x)·y, x·y, of numbers".to_owned(),
        is_for_derivatives: false,
    };
    let after = RuleSummary {
        name: PRODUCT_AFTER_LOOP,
        class: Ulp,
        identity: "s ← s + dot(a, b) in each iteration of a loop → s + dot of all a and b behind it, where nothing reads s before, and a \
                   and b are slices or stacked for others and summed over leading axes; added in another order, which may overflow elsewhere"
            .to_owned(),
        is_for_derivatives: false,
    };
    let saved = RuleSummary {
        name: SAVE_WHAT_IS_READ,
        class: Ulp,
        identity: "f(s) in a loop that reads s, which another loop saves → the other loop saves f(s), where that takes no more memory; and \
                   (x·f(s))·h(s) → x·(f(s)·h(s)), where the product of both may overflow or underflow"
            .to_owned(),
        is_for_derivatives: false,
    };
    let behind = [folded, after, saved, factors, sums];
    std::iter::once(shared).chain(RULES.iter().map(RewriteRule::summary)).chain(behind).collect()
}

/// All rules, ready to be tried.
pub(super) fn rule_set() -> &'static RuleSet {
    static SET: LazyLock<RuleSet> = LazyLock::new(|| RuleSet::new(|op| ready_at(RULES, op)));
    &SET
}

const fn algebra(name: &'static str, class: Class, pattern: &'static str, replacement: &'static str) -> RewriteRule {
    RewriteRule { name, class, body: Body::Algebra { pattern, replacement, guard: ALWAYS }, is_for_derivatives: false }
}

const fn guarded(name: &'static str, class: Class, identity: [&'static str; 2], guard: Guard) -> RewriteRule {
    RewriteRule {
        name,
        class,
        body: Body::Algebra { pattern: identity[0], replacement: identity[1], guard },
        is_for_derivatives: false,
    }
}

const fn structure(
    name: &'static str,
    class: Class,
    roots: Roots,
    rewrite: Rewrite,
    identity: &'static str,
) -> RewriteRule {
    RewriteRule { name, class, body: Body::Structure { roots, identity, rewrite }, is_for_derivatives: false }
}

/// In the order in which they are tried.
#[rustfmt::skip]
pub(super) const RULES: &[RewriteRule] = &[
    // Constants.
    structure("uniform-constant",       Exact, Named(&["constant"]), fold::uniform_constant, "[k, k, …] → k"),
    structure("fold-dim-size",          Exact, Named(&["dim_size"]), fold::dim_size,         "dim_size of a number → the number"),
    structure("fold-literals",          Exact, Elementwise,          fold::literals,         "f(c, d) → the literal f(c, d)"),
    structure("fold-moved-literal",     Exact, Movement,             fold::moved_literal,    "broadcast, reshape, transpose, slice, reverse, pad by 0, concat of c → c"),
    structure("fold-reduced-literal",   Exact, Named(&["max", "min", "sum"]), fold::reduced_literal, "max(c), min(c) of something → c; sum(0) → 0"),
    structure("fold-small-constants",   Exact, Any,                  fold::small_constants,  "f(constants) → constant, up to 64 elements"),

    // Signs.
    algebra("neg-neg",                  Exact, "neg(neg(x))",            "x"),
    algebra("add-neg",                  Exact, "add(x, neg(y))",         "sub(x, y)"),
    algebra("sub-neg",                  Exact, "sub(x, neg(y))",         "add(x, y)"),
    algebra("mul-neg-neg",              Exact, "mul(neg(x), neg(y))",    "mul(x, y)"),
    algebra("div-neg-neg",              Exact, "div(neg(x), neg(y))",    "div(x, y)"),
    algebra("mul-minus-one",            Exact, "mul(x, -1)",             "neg(x)"),
    algebra("div-minus-one",            Exact, "div(x, -1)",             "neg(x)"),
    algebra("minus-zero-sub",           Exact, "sub(-0.0, x)",           "neg(x)"),
    algebra("neg-of-mul-literal",       Exact, "neg(mul(c, x))",         "mul(x, neg(c))"),
    algebra("neg-of-div-literal",       Exact, "neg(div(c, x))",         "div(neg(c), x)"),
    algebra("neg-of-div-by-literal",    Exact, "neg(div(x, c))",         "div(x, neg(c))"),
    algebra("mul-literal-of-neg",       Exact, "mul(c, neg(x))",         "mul(x, neg(c))"),
    algebra("div-literal-of-neg",       Exact, "div(c, neg(x))",         "div(neg(c), x)"),
    algebra("div-of-neg-by-literal",    Exact, "div(neg(x), c)",         "div(x, neg(c))"),
    structure("sign-outwards",          Exact, Named(&["mul", "div"]),   factor::sign_outwards, "(−x)·y → −(x·y), (−x)/y, x/(−y) → −(x/y), where nothing else reads −x"),
    algebra("abs-neg",                  Exact, "abs(neg(x))",            "abs(x)"),

    // Neutral and repeated operands.
    algebra("mul-one",                  Exact, "mul(x, 1)",              "x"),
    algebra("div-one",                  Exact, "div(x, 1)",              "x"),
    algebra("sub-zero",                 Exact, "sub(x, 0)",              "x"),
    algebra("add-minus-zero",           Exact, "add(x, -0.0)",           "x"),
    guarded("add-zero-integer",         Exact, ["add(x, 0)",             "x"], OF_INTEGERS),
    guarded("sub-self-integer",         Exact, ["sub(x, x)",             "0"], OF_INTEGERS),
    guarded("mul-zero-integer",         Exact, ["mul(x, 0)",             "0"], OF_INTEGERS),
    guarded("div-power-of-two",         Exact, ["div(x, c)",             "mul(x, div(1, c))"], POWER_OF_TWO),
    algebra("pow-zero",                 Exact, "pow(x, 0)",              "1"),
    algebra("pow-one",                  Exact, "pow(x, 1)",              "x"),
    structure("integer-power",          Exact, Named(&["integer_power"]), fold::integer_power, "x⁰ → 1, x¹ → x, x² → x·x, x⁻¹ → 1/x"),
    algebra("maximum-self",             Exact, "maximum(x, x)",          "x"),
    algebra("minimum-self",             Exact, "minimum(x, x)",          "x"),
    algebra("maximum-least",            Exact, "maximum(x, -inf)",       "x"),
    algebra("minimum-greatest",         Exact, "minimum(x, inf)",        "x"),
    algebra("abs-abs",                  Exact, "abs(abs(x))",            "abs(x)"),
    algebra("relu-relu",                Exact, "relu(relu(x))",          "relu(x)"),
    algebra("relu-abs",                 Exact, "relu(abs(x))",           "abs(x)"),
    algebra("abs-relu",                 Exact, "abs(relu(x))",           "relu(x)"),
    algebra("relu-exp",                 Exact, "relu(exp(x))",           "exp(x)"),
    algebra("relu-sigmoid",             Exact, "relu(sigmoid(x))",       "sigmoid(x)"),
    algebra("sign-sign",                Exact, "sign(sign(x))",          "sign(x)"),
    algebra("floor-floor",              Exact, "floor(floor(x))",        "floor(x)"),
    algebra("ceil-ceil",                Exact, "ceil(ceil(x))",          "ceil(x)"),
    algebra("round-round",              Exact, "round(round(x))",        "round(x)"),
    structure("with-derivative",        Exact, Named(&["with_derivative"]), movement::value_without_derivative, "with_derivative(y, …) → y"),
    algebra("stop-gradient",            Exact, "stop_gradient(x)",       "x"),
    structure("cast-to-same",           Exact, Named(&["cast"]), movement::cast_to_same, "cast of x to its own dtype → x"),
    structure("cast-of-cast",           Exact, Named(&["cast"]), movement::cast_of_cast, "cast(cast(x)) → cast(x), where the inner one loses nothing"),

    // Truth values.
    algebra("select-same",              Exact, "select(p, x, x)",            "x"),
    algebra("select-true",              Exact, "select(1, x, y)",            "x"),
    algebra("select-false",             Exact, "select(0, x, y)",            "y"),
    algebra("select-not",               Exact, "select(not(p), x, y)",       "select(p, y, x)"),
    algebra("select-select-true",       Exact, "select(p, select(p, x, y), z)", "select(p, x, z)"),
    algebra("select-select-false",      Exact, "select(p, x, select(p, y, z))", "select(p, x, z)"),
    algebra("not-not",                  Exact, "not(not(p))",                "p"),
    guarded("not-equal",                Exact, ["not(equal(x, y))",          "not_equal(x, y)"], FIRST_GOES),
    guarded("not-not-equal",            Exact, ["not(not_equal(x, y))",      "equal(x, y)"], FIRST_GOES),
    guarded("not-less-integer",         Exact, ["not(less(x, y))",           "greater_equal(x, y)"], FIRST_GOES_OF_INTEGERS),
    guarded("not-less-equal-integer",   Exact, ["not(less_equal(x, y))",     "greater(x, y)"], FIRST_GOES_OF_INTEGERS),
    guarded("not-greater-integer",      Exact, ["not(greater(x, y))",        "less_equal(x, y)"], FIRST_GOES_OF_INTEGERS),
    guarded("not-greater-equal-integer", Exact, ["not(greater_equal(x, y))", "less(x, y)"], FIRST_GOES_OF_INTEGERS),
    algebra("and-true",                 Exact, "and(p, 1)",                  "p"),
    algebra("and-false",                Exact, "and(p, 0)",                  "0"),
    algebra("or-true",                  Exact, "or(p, 1)",                   "1"),
    algebra("or-false",                 Exact, "or(p, 0)",                   "p"),
    algebra("xor-true",                 Exact, "xor(p, 1)",                  "not(p)"),
    algebra("xor-false",                Exact, "xor(p, 0)",                  "p"),
    algebra("and-self",                 Exact, "and(p, p)",                  "p"),
    algebra("or-self",                  Exact, "or(p, p)",                   "p"),
    algebra("xor-self",                 Exact, "xor(p, p)",                  "0"),
    algebra("and-absorbs",              Exact, "and(p, or(p, q))",           "p"),
    algebra("or-absorbs",               Exact, "or(p, and(p, q))",           "p"),
    algebra("and-and",                  Exact, "and(p, and(p, q))",          "and(p, q)"),
    algebra("or-or",                    Exact, "or(p, or(p, q))",            "or(p, q)"),
    algebra("and-contradiction",        Exact, "and(p, not(p))",             "0"),
    algebra("or-excluded-middle",       Exact, "or(p, not(p))",              "1"),

    // Movements of data.
    structure("same-shape",             Exact, Named(&["reshape", "broadcast"]), movement::same_shape, "reshape, broadcast to the shape of x → x"),
    structure("broadcast-as-reshape",   Exact, Named(&["broadcast"]), movement::broadcast_as_reshape,  "a broadcast that only adds axes of size 1 → reshape"),
    structure("broadcast-of-broadcast", Exact, Named(&["broadcast"]), movement::broadcast_of_broadcast, "broadcast(broadcast(x)) → broadcast(x)"),
    structure("broadcast-of-unit-axes", Exact, Named(&["broadcast"]), movement::broadcast_of_unit_axes, "broadcast(x with axes of size 1 added) → broadcast(x)"),
    structure("reshape-of-reshape",     Exact, Named(&["reshape"]),   movement::reshape_of_reshape,     "reshape(reshape(x)) → reshape(x)"),
    structure("transpose-of-transpose", Exact, Named(&["transpose"]), movement::transpose_of_transpose, "transpose(transpose(x)) → transpose(x)"),
    structure("transpose-by-identity",  Exact, Named(&["transpose"]), movement::transpose_by_identity,  "transpose by 0, 1, … → x"),
    structure("transpose-as-reshape",   Exact, Named(&["transpose"]), movement::transpose_as_reshape,   "a transpose that only moves axes of size 1 → reshape"),
    structure("slice-of-whole",         Exact, Named(&["slice"]),     movement::slice_of_whole,         "x[0..n] → x"),
    structure("slice-of-slice",         Exact, Named(&["slice"]),     movement::slice_of_slice,         "x[a..b][c..d] → x[a+c..a+d]"),
    structure("slice-of-pad",           Exact, Named(&["slice"]),     movement::slice_of_pad,           "a slice inside what was padded → slice(x)"),
    structure("slice-of-concat",        Exact, Named(&["slice"]),     movement::slice_of_concat,        "a slice inside one part → slice of the part"),
    structure("pad-by-nothing",         Exact, Named(&["pad"]),       movement::pad_by_nothing,         "pad by 0 → x"),
    structure("reverse-of-reverse",     Exact, Named(&["reverse"]),   movement::reverse_of_reverse,     "reverse(reverse(x)) → reverse(x) along the axes of one only"),
    structure("reverse-of-nothing",     Exact, Named(&["reverse"]),   movement::reverse_of_nothing,     "reverse along no axis or axes of size 1 → x"),
    structure("concat-of-one",          Exact, Named(&["concat"]),    movement::concat_of_one,          "concat(x) → x"),

    // Elementwise work where there are fewer elements, and movements after it.
    structure("sink-broadcast",         Exact, Elementwise, sink::broadcast, "f(broadcast(x), broadcast(y), c) → broadcast(f(x, y, c))"),
    structure("sink-nested-broadcast",  Exact, Elementwise, sink::nested_broadcast, "f(broadcast(x), broadcast(y)) → broadcast(f(broadcast(x), y)), x repeated along more axes than y"),
    structure("sink-unit-axes",         Exact, Elementwise, sink::unit_axes, "f(x with axes of size 1 added or removed, …) → the same of f(x, …)"),
    structure("sink-transpose",         Exact, Elementwise, sink::transpose, "f(transpose(x), transpose(y), c) → transpose(f(x, y, c)), where nothing else reads the transposes"),

    // Reductions.
    structure("reduce-no-axes",         Exact, Named(reduction::ALL),      reduction::over_no_axes,      "a reduction over no axes → x"),
    structure("extreme-of-unit-axes",   Exact, Named(reduction::BUT_SUM),  reduction::of_unit_axes,      "max, min, prod over axes of size 1 → reshape(x)"),
    structure("sum-of-unit-axes",       Ulp,   Named(&["sum"]),            reduction::of_unit_axes,      "sum over axes of size 1 → reshape(x); −0 was 0"),
    structure("extreme-after-unit-axes", Exact, Named(reduction::BUT_SUM), reduction::after_unit_axes,   "max, min, prod(x with axes of size 1 added or removed) → the same of x"),
    structure("sum-after-unit-axes",    Ulp,   Named(&["sum"]),            reduction::after_unit_axes,   "sum(x with axes of size 1 added or removed) → sum(x); −0 was 0"),
    structure("extreme-of-broadcast",   Exact, Named(reduction::EXTREMES), reduction::of_broadcast,      "max, min over what was broadcast → x"),
    structure("sum-of-broadcast",       Ulp,   Named(&["sum"]),            reduction::of_broadcast,      "sum over n repetitions → n·x, n a number"),
    structure("sum-of-literal",         Ulp,   Named(&["sum"]),            reduction::of_literal,        "sum of n times c → n·c"),
    structure("reduce-of-transpose",    Exact, Named(reduction::ALL),      reduction::of_transpose,      "reduce(transpose(x)) → reduce(x), where the order of axes stays"),
    structure("extreme-of-extreme",     Ulp,   Named(reduction::EXTREMES), reduction::of_reduction,      "max(max(x)), min(min(x)) → max(x), min(x); which zero of two may differ"),
    structure("sum-of-sum",             Ulp,   Named(&["sum"]),            reduction::of_reduction,      "sum(sum(x)) → sum(x)"),
    structure("sum-of-scaled",          Ulp,   Named(&["sum"]),            reduction::of_scaled,         "sum(c·x) → c·sum(x), sum(x/c) → sum(x)/c, c finite and not 0"),
    structure("sum-of-scatter",         Ulp,   Named(&["sum"]),            reduction::of_scatter,        "sum over the axis of a scatter_add into 0 → sum of the updates, where the scatter stays and checks the indices"),
    structure("sum-of-parts",           Ulp,   Named(&["add"]),            joined::sum_of_parts,         "of four or more parts pad(x) + pad(y) + … → pad(concat(x, y, …)), of several scatter_adds into 0 one, where nothing else reads them"),
    structure("add-to-scatter",         Ulp,   Named(&["add"]),            reduction::added_to_scatter,  "scatter_add(0, …) + x → scatter_add(x, …), where nothing else reads the scatter"),
    structure("sum-of-row-scaled",      FastMath, Named(&["sum"]),         reduction::of_row_scaled,     "sum(broadcast(x)·y) → x·sum(y) over what was broadcast"),
    structure("sum-of-neg",             Ulp,   Named(&["sum"]),            reduction::of_negated,        "sum(−x) → −sum(x)"),

    // Products.
    structure("dot-of-transpose",       Exact, Named(&["dot"]),            product::of_transpose,        "dot(transpose(x), y) → dot(x, y) over the axes they were"),
    structure("convolution-of-whole",   Ulp,   Named(&["convolution"]),    product::of_convolution,      "convolution by a kernel as large as x → dot(x, kernel)"),
    structure("transpose-of-dot",       Ulp,   Named(&["transpose"]),      product::transposed,          "transpose(dot(x, y)) → dot(y, x)"),
    structure("dot-of-literal",         Ulp,   Named(&["dot"]),            product::of_literal,          "dot(x, c) → broadcast(c·sum(x))"),
    structure("dot-of-scaled",          Ulp,   Named(&["dot"]),            product::of_scaled,           "dot(c·x, y) → c·dot(x, y), where the product is smaller than x"),
    structure("dot-of-neg",             Ulp,   Named(&["dot"]),            product::of_negated,          "dot(−x, y) → −dot(x, y), where the product is smaller than x"),

    // Rounding.
    algebra("add-zero",                 Ulp,   "add(x, 0)",                  "x"),
    structure("sum-of-choices",         Ulp,   Named(&["add"]),            choice::sum_of_choices,       "select(p, x, 0) + select(p, 0, y) → select(p, x, y), select(p, x, y) + select(p, z, 0) → select(p, x + z, y), where nothing else reads one of the two"),
    algebra("zero-sub",                 Ulp,   "sub(0, x)",                  "neg(x)"),
    algebra("pow-two",                  Ulp,   "pow(x, 2)",                  "mul(x, x)"),
    structure("literal-into-broadcast", Ulp,   Named(&["mul"]),        factor::literal_into_broadcast, "c·(broadcast(x)·y) → broadcast(c·x)·y, 2⁻¹⁶ ≤ |c| ≤ 2¹⁶, where nothing else reads the product inside"),
    guarded("mul-literals",             Ulp,   ["mul(c, mul(d, x))",         "mul(x, mul(c, d))"], SAME_SIDE_OF_ONE),

    // Digits and infinities that the exact value does not have; the derivatives of what is written have neither.
    guarded("mul-any-literals",         Stabilize, ["mul(c, mul(d, x))",     "mul(x, mul(c, d))"], NORMAL_PRODUCT),
    algebra("expm1",                    Stabilize, "sub(exp(x), 1)",         "expm1(x)"),
    algebra("expm1-of-add",             Stabilize, "add(exp(x), -1)",        "expm1(x)"),
    algebra("one-minus-exp",            Stabilize, "sub(1, exp(x))",         "neg(expm1(x))"),

    // The same, where the derivatives of what is written are lost too.
    structure("log-of-slope-of-tanh",   Stabilize, Named(&["log"]),          logarithm::of_slope_of_tanh, "log(1 − tanh(x)²) → log1p(−tanh(x)²) where |x| < 1, log(4) − 2·(|x| + softplus(−2·|x|)) elsewhere").for_derivatives(),
    structure("log-of-expm1",           Stabilize, Named(&["log"]),          logarithm::of_expm1,       "log(expm1(x)), log(exp(x) − 1) → x + log(−expm1(−x))").for_derivatives(),
    algebra("softplus-of-log",          Stabilize, "log(add(1, exp(x)))",    "softplus(x)").for_derivatives(),
    algebra("softplus-of-log1p",        Stabilize, "log1p(exp(x))",          "softplus(x)").for_derivatives(),
    algebra("sigmoid",                  Stabilize, "div(1, add(1, exp(neg(x))))", "sigmoid(x)").for_derivatives(),
    algebra("sigmoid-of-neg",           Stabilize, "div(1, add(1, exp(x)))", "sigmoid(neg(x))").for_derivatives(),
    algebra("sigmoid-of-quotient",      Stabilize, "div(exp(x), add(1, exp(x)))", "sigmoid(x)").for_derivatives(),
    algebra("sigmoid-of-divisor",       Stabilize, "div(y, add(1, exp(x)))", "mul(y, sigmoid(neg(x)))").for_derivatives(),
    algebra("tanh-of-exps",             Stabilize, "div(sub(exp(x), exp(neg(x))), add(exp(x), exp(neg(x))))", "tanh(x)").for_derivatives(),
    structure("one-minus-sigmoid",      Stabilize, Named(&["sub"]),          stable::one_minus_sigmoid, "1 − sigmoid(x) → sigmoid(−x), moved or not").for_derivatives(),
    structure("sigmoid-of-exp",         Stabilize, Named(&["mul"]),          stable::sigmoid_of_exp,    "exp(x)·(y·sigmoid(−x)) → y·sigmoid(x)").for_derivatives(),
    structure("log-sigmoid",            Stabilize, Named(&["log"]),          logarithm::of_sigmoid,     "log(sigmoid(x)) → −softplus(−x)").for_derivatives(),
    structure("softmax",                Stabilize, Named(&["div"]),          shift::softmax,            "exp(x)/sum(exp(x)) → exp(x − m)/sum(exp(x − m)), m = max(x) where finite").for_derivatives(),
    guarded("log-softmax",              Stabilize, ["log(div(exp(s), b))",   "sub(s, log(b))"], SHIFTED_SOFTMAX).for_derivatives(),
    structure("logsumexp",              Stabilize, Named(&["log"]),          shift::logsumexp,          "log(sum(exp(x))) → log(sum(exp(x − m))) + m, m = max(x) where finite").for_derivatives(),
    structure("log-of-exponentials",    Stabilize, Named(&["log"]),          shift::log_of_terms,       "log(exp(x) + exp(y)) → m + softplus(min(x, y) − m), log(exp(x) + exp(y) + exp(z) …) → log(exp(x − m) + exp(y − m) + …) + m, m = max(x, y, …) where finite, 1 = exp(0)").for_derivatives(),
    structure("log-of-scaled-exponentials", Stabilize, Named(&["log"]),      shift::log_of_scaled,      "log(c·sum(exp(x))), log(sum(exp(x))/n) → log(c·sum(exp(x − m))) + m, log(sum(exp(x − m))/n) + m, m = max(x) where finite, c > 0, n a size; written out too").for_derivatives(),
    structure("less-logsumexp",         Stabilize, Named(&["sub"]),          shift::less_logsumexp,     "x − (log(sum(exp(x − m))) + m) → (x − m) − log(sum(exp(x − m)))").for_derivatives(),
    structure("log-of-moved",           Stabilize, Named(&["log"]),          logarithm::of_moved,       "log of a moved, picked or repeated sigmoid, softmax or sum of exponentials, scaled or not → the same of its log").for_derivatives(),

    // What is left beside 1.
    structure("log-of-one-minus-exp",   Stabilize, Named(&["log", "log1p"]), logarithm::of_one_minus_exp, "log(−expm1(x)), log1p(−exp(x)) → log1p(−exp(x)) where x < −log(2), log(−expm1(x)) elsewhere"),
    algebra("log1p-of-neg",             Stabilize, "log(sub(1, x))",         "log1p(neg(x))"),
    algebra("log1p",                    Stabilize, "log(add(1, x))",         "log1p(x)"),

    // Ordinary numbers only.
    algebra("mul-zero",                 FastMath, "mul(x, 0)",               "0"),
    algebra("sub-self",                 FastMath, "sub(x, x)",               "0"),
    algebra("div-self",                 FastMath, "div(x, x)",               "1"),
    guarded("div-by-literal",           FastMath, ["div(x, c)",              "mul(x, div(1, c))"], ORDINARY),
    algebra("add-literals",             FastMath, "add(c, add(d, x))",       "add(x, add(c, d))"),
];
