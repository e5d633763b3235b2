//! Steps of some of the parameters: what has no gradient is not touched, groups have each their own, averages go along.

use super::*;

/// Arrays of either dtype, of which gradients may lack any.
const ARRAYS: [(&str, DType, &[usize]); 5] = [
    ("l.weight", DType::F32, &[3, 5]),
    ("l.bias", DType::F32, &[5]),
    ("norm.gain", DType::F64, &[4]),
    ("out.weight", DType::F64, &[2, 2]),
    ("out.bias", DType::F32, &[70]),
];

fn layout_of(names: &[&str]) -> Arc<Layout> {
    let arrays = ARRAYS.iter().filter(|(name, ..)| names.contains(name));
    Arc::new(Layout::new(arrays.map(|(name, dtype, shape)| (*name, *dtype, shape.to_vec()))).unwrap())
}

const ALL: [&str; 5] = ["l.weight", "l.bias", "norm.gain", "out.weight", "out.bias"];

/// Numbers that depend on the name and a seed, not on what is beside the array.
fn fill(buffers: &mut Buffers, seed: f64) {
    let names: Vec<String> = buffers.names().map(str::to_owned).collect();
    for name in names {
        let wave = |i: usize| (seed + name.len() as f64 + i as f64 * 1.7).sin();
        if let Ok(mut array) = buffers.array_mut::<f32>(&name) {
            array.iter_mut().enumerate().for_each(|(i, x)| *x = wave(i) as f32);
        } else {
            buffers.array_mut::<f64>(&name).unwrap().iter_mut().enumerate().for_each(|(i, x)| *x = wave(i));
        }
    }
}

fn parameters_of(names: &[&str]) -> Parameters {
    let mut parameters = Parameters::zeros(layout_of(names));
    fill(&mut parameters, 0.5);
    parameters
}

/// Three steps, with gradients of these names.
fn three_steps(rule: &mut dyn Optimizer, parameters: &mut Parameters, names: &[&str]) {
    for step in 0..3 {
        let mut gradients = Gradients::zeros(layout_of(names));
        fill(&mut gradients, f64::from(step));
        rule.step(parameters, &gradients).unwrap();
    }
}

/// Arrays of a name in two buffers have the same bits.
fn assert_same(name: &str, left: &Buffers, right: &Buffers, what: &str) {
    let bits = |buffers: &Buffers| match buffers.view(name).unwrap() {
        crate::graph::ValueView::F32(x) => x.iter().map(|x| u64::from(x.to_bits())).collect::<Vec<u64>>(),
        crate::graph::ValueView::F64(x) => x.iter().map(|x| x.to_bits()).collect(),
        _ => unreachable!("parameters are floats"),
    };
    assert_eq!(bits(left), bits(right), "{name}, {what}");
}

#[test]
fn what_has_no_gradient_is_not_touched_and_nothing_is_kept_of_it_by_any_rule() {
    let parts: [&[&str]; 5] =
        [&["l.bias"], &["l.weight", "norm.gain", "out.bias"], &["l.bias", "norm.gain", "out.weight"], &ALL, &[]];
    for part in parts {
        for (mut rule, mut alone) in every_rule().into_iter().zip(every_rule()) {
            let mut parameters = parameters_of(&ALL);
            three_steps(&mut *rule, &mut parameters, part);
            // As if the other parameters were not there at all.
            let mut few = parameters_of(part);
            three_steps(&mut *alone, &mut few, part);
            let what = rule.state().rule().to_owned();
            for name in ALL {
                let want = if part.contains(&name) { &few } else { &parameters_of(&ALL) };
                assert_same(name, &parameters, want, &what);
            }
            assert_eq!(rule.state(), alone.state());
            assert!(rule.state().iter().all(|(_, kept)| kept.layout() == &layout_of(part)), "{what}");
        }
    }
}

#[test]
fn another_set_of_gradients_is_refused_by_what_keeps_something() {
    let mut adam = Adam::new(0.1);
    let mut parameters = parameters_of(&ALL);
    three_steps(&mut adam, &mut parameters, &["l.weight", "out.bias"]);
    let before = (parameters.clone(), adam.state());
    for names in [&ALL[..], &["l.weight"], &["l.bias"]] {
        let error = adam.step(&mut parameters, &Gradients::zeros(layout_of(names))).unwrap_err();
        assert!(matches!(error, OptimizerError::State { .. }), "{error}");
        assert_eq!((parameters.clone(), adam.state()), before);
    }
}

fn groups() -> Groups {
    Groups::new(AdamW::new(0.1).weight_decay(0.5))
        .group(["*.bias", "*norm*"], HeavyBall::new(0.2, 0.5))
        .group(["out.*"], Lamb::new(0.1))
}

/// Bit for bit what each would do of its parameters alone.
#[test]
fn each_group_is_moved_by_its_own_optimizer_alone() {
    let mut parameters = parameters_of(&ALL);
    let mut rule = groups();
    three_steps(&mut rule, &mut parameters, &ALL);
    let members: [(&[&str], Box<dyn Optimizer>, &str); 3] = [
        (&["l.bias", "norm.gain", "out.bias"], Box::new(HeavyBall::new(0.2, 0.5)), "*.bias *norm*"),
        (&["out.weight"], Box::new(Lamb::new(0.1)), "out.*"),
        (&["l.weight"], Box::new(AdamW::new(0.1).weight_decay(0.5)), "others"),
    ];
    let state = rule.state();
    assert_eq!((state.rule(), state.step(), state.len(), state.parts().len()), ("groups", 3, 0, 3));
    for (names, mut alone, name) in members {
        let mut few = parameters_of(names);
        three_steps(&mut *alone, &mut few, names);
        names.iter().for_each(|name| assert_same(name, &parameters, &few, "grouped"));
        assert_eq!(state.part(name), Some(&alone.state()), "{name}");
    }
}

/// One group or several with equal optimizers are the same, whatever is large.
#[test]
fn equal_groups_give_the_bits_of_one_on_threads_too() {
    let layout =
        Layout::new((0..9).map(|i| (format!("{i}.{}", i % 2), DType::F32, vec![60_000 * (i % 3) + 7]))).unwrap();
    let layout = Arc::new(layout);
    let run = |rule: &mut dyn Optimizer| {
        let mut parameters = Parameters::zeros(Arc::clone(&layout));
        fill(&mut parameters, 0.1);
        for step in 0..2 {
            let mut gradients = Gradients::zeros(Arc::clone(&layout));
            fill(&mut gradients, f64::from(step));
            rule.step(&mut parameters, &gradients).unwrap();
        }
        parameters
    };
    let grouped = run(&mut Groups::new(Adam::new(0.1)).group(["*.1"], Adam::new(0.1)));
    let together = run(&mut Adam::new(0.1));
    layout.names().for_each(|name| assert_same(name, &grouped, &together, "groups"));
}

#[test]
fn a_group_begins_when_its_parameters_have_gradients() {
    let mut parameters = parameters_of(&ALL);
    let mut rule = Groups::new(Adam::new(0.1)).group(["l.*"], Adam::new(0.1));
    let head = ["norm.gain", "out.weight", "out.bias"];
    three_steps(&mut rule, &mut parameters, &head);
    assert_same("l.weight", &parameters, &parameters_of(&ALL), "without gradients");
    let steps = |rule: &Groups| rule.state().parts().map(|(_, state)| state.step()).collect::<Vec<u64>>();
    assert_eq!(steps(&rule), [0, 3]);
    three_steps(&mut rule, &mut parameters, &ALL);
    assert_eq!(steps(&rule), [3, 6]);
    let mut alone = parameters_of(&["l.weight", "l.bias"]);
    three_steps(&mut Adam::new(0.1), &mut alone, &["l.weight", "l.bias"]);
    ["l.weight", "l.bias"].iter().for_each(|name| assert_same(name, &parameters, &alone, "later"));
}

#[test]
fn groups_that_do_not_fit_or_cannot_step_are_refused_and_nothing_moves() {
    let cases: [(Groups, &str); 6] = [
        (groups().group(["*.bais"], Sgd::new(0.1)), "no parameter matches `*.bais`; the nearest name is `l.bias`"),
        (groups().group(["encoder.*"], Sgd::new(0.1)), "no parameter matches `encoder.*`"),
        (
            groups().group(["*.gain"], Sgd::new(0.1)),
            "all parameters of the group `*.gain` match groups that were added before it",
        ),
        (
            Groups::new(Sgd::new(0.1)).group(["l.*"], Sgd::new(-1.0)),
            "in the group `l.*`: the rate is -1 at step 0, but must be finite in f32 and not negative",
        ),
        (Groups::new(Sgd::new(f64::NAN)).group(["l.*"], Adam::new(0.1)), "in the group `others`: the rate is NaN"),
        (
            Groups::new(Adam::new(0.1)).group(["l.*"], groups()),
            "in the group `l.*`: in the group `others`: the gradients",
        ),
    ];
    for (mut rule, expected) in cases.into_iter().take(5) {
        let mut parameters = parameters_of(&ALL);
        let before = rule.state();
        let error = rule.step(&mut parameters, &Gradients::zeros(layout_of(&ALL))).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!((parameters, rule.state()), (parameters_of(&ALL), before));
    }
}

#[test]
fn a_state_of_other_groups_is_refused_and_changes_nothing() {
    let mut rule = groups();
    three_steps(&mut rule, &mut parameters_of(&ALL), &ALL);
    let saved = rule.state();
    // Its second group has another rule, so that the first is restored before that is seen.
    let mut other = Groups::new(AdamW::new(0.1))
        .group(["*.bias", "*norm*"], HeavyBall::new(0.2, 0.5))
        .group(["out.*"], Adam::new(0.1));
    three_steps(&mut other, &mut parameters_of(&ALL), &ALL[..4]);
    let before = other.state();
    let error = other.restore(saved.clone()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "in the group `*.bias *norm*`: earlier steps of this optimizer were of other parameters: expected nothing, found `out.bias` f32[70]"
    );
    let mut fresh = Groups::new(AdamW::new(0.1))
        .group(["*.bias", "*norm*"], HeavyBall::new(0.2, 0.5))
        .group(["out.*"], Adam::new(0.1));
    let unused = fresh.state();
    let error = fresh.restore(saved.clone()).unwrap_err();
    assert_eq!(error.to_string(), "in the group `out.*`: the state is of the rule `lamb`, but this is `adam`");
    assert_eq!((other.state(), fresh.state()), (before, unused));
    let mut renamed = Groups::new(Adam::new(0.1)).group(["l.*"], Adam::new(0.1));
    let error = renamed.restore(saved).unwrap_err().to_string();
    let expected =
        r#"`groups` has the groups ["l.*", "others"], but the state has ["*.bias *norm*", "out.*", "others"]"#;
    assert_eq!(error, expected);
}

#[test]
fn averages_are_of_what_is_moved_and_leave_the_steps_as_they_are() {
    let part = ["l.weight", "norm.gain"];
    let mut parameters = parameters_of(&ALL);
    let mut rule = Averaged::swa(Sgd::new(0.1), 2, 2);
    assert_eq!(rule.parameters(&parameters).unwrap(), parameters);
    let mut passed = Vec::new();
    for step in 0..5 {
        let mut gradients = Gradients::zeros(layout_of(&part));
        fill(&mut gradients, f64::from(step));
        rule.step(&mut parameters, &gradients).unwrap();
        passed.push(parameters.clone());
    }
    let mut alone = parameters_of(&ALL);
    let mut sgd = Sgd::new(0.1);
    for step in 0..5 {
        let mut gradients = Gradients::zeros(layout_of(&part));
        fill(&mut gradients, f64::from(step));
        sgd.step(&mut alone, &gradients).unwrap();
    }
    assert_eq!(alone, parameters);
    let averaged = rule.parameters(&parameters).unwrap();
    // After the steps 2 and 4.
    for (position, average) in averaged.flat::<f64>().unwrap().iter().enumerate() {
        let numbers = [1, 3].map(|step: usize| passed[step].flat::<f64>().unwrap()[position]);
        assert!((average - (numbers[0] + numbers[1]) / 2.0).abs() <= f64::EPSILON, "{position}");
    }
    ["l.bias", "out.weight", "out.bias"].iter().for_each(|name| assert_same(name, &averaged, &parameters, "not moved"));
    let foreign = Parameters::zeros(Layout::new([("x", DType::F32, vec![1])]).unwrap());
    rule.parameters(&foreign).unwrap_err();
}

#[test]
fn an_average_that_a_state_lacks_is_refused() {
    let mut rule = Averaged::ema(Sgd::new(0.1), 0.9);
    for (n_steps, is_taken) in [(0, true), (1, false)] {
        let none: [(&str, Buffers); 0] = [];
        let state = OptimizerState::new("ema", n_steps, none).with_part("rule", Sgd::new(0.1).state());
        assert_eq!(rule.restore(state).is_ok(), is_taken);
    }
}
