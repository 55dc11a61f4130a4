#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tollgate_llm::fuzzing::check("responses", input));
