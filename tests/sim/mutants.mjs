// Plants known bugs (mutants.txt) in the core, one at a time, and looks for the seed with which the simulator finds each.
//   node tests/sim/mutants.mjs [--quick] [NAME...]     SIM_SEEDS=10000 JOBS=1
// It needs build/release/sim/sim, of which one object is built anew for a mutant. A seed counts if the core as it is
// passes it, and if what failed never fails in the core as it is, or far more often. Rows go to build/mutants/found.md as
// they are known. --quick: the mutants that are marked so, with 50 seeds each. Fails if a mutant is not found.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const words = process.argv.slice(2);
const quick = words.includes('--quick');
const names = words.filter((word) => !word.startsWith('--'));
const seeds = Number(process.env.SIM_SEEDS ?? (quick ? 50 : 10000));
const jobs = process.env.JOBS ?? '1';
const build = 'build/release';
const place = path.resolve('build/mutants');
const sound = path.resolve(build, 'sim/sim');
// What fails in the core as it is as well counts if it fails so many times as often, and at least so often.
const TIMES = 10;
const LEAST = 3;
// A mutant that goes round and round is found as well, but nobody knows with which seed.
const HANG_MS = 600_000;

function fail(text) {
    console.error(text);
    process.exit(1);
}

// `== NAME FILE [quick]`, `: what is broken`, the text that goes, `--`, the text that comes.
function readMutants() {
    return readFileSync('tests/sim/mutants.txt', 'utf8').split(/^== /m).slice(1).map((entry) => {
        const [head, rule, ...body] = entry.replace(/\n$/, '').split('\n');
        const [name, file, ...marks] = head.split(' ');
        const [before, after] = body.join('\n').split('\n--\n');
        if (!rule?.startsWith(': ') || after === undefined) fail(`mutants.txt: ${name} is not complete`);
        return { name, file, rule: rule.slice(2), before, after, quick: marks.includes('quick') };
    });
}

function commands() {
    const ninja = spawnSync('ninja', ['-C', build, '-t', 'commands', 'sim'], { encoding: 'utf8', maxBuffer: 1 << 26 });
    if (ninja.status !== 0) fail(`${build} is not there: make build/release/sim/sim\n${ninja.stderr}`);
    return ninja.stdout.trim().split('\n');
}

function shell(command) {
    return spawnSync('bash', ['-c', command], { cwd: build, encoding: 'utf8' });
}

// The simulator with the mutant in it; null: it cannot be made.
function plant(mutant, lines) {
    const source = path.join(place, `${mutant.name}.c`);
    const object = path.join(place, `${mutant.name}.o`);
    const program = path.join(place, `${mutant.name}.sim`);
    const text = readFileSync(mutant.file, 'utf8');
    if (text.split(mutant.before).length !== 2) {
        console.error(`${mutant.name}: ${mutant.file} no longer has its text, once`);
        return null;
    }
    writeFileSync(source, text.replace(mutant.before, () => mutant.after));
    const compile = lines.find((line) => line.endsWith(` -c ${path.resolve(mutant.file)}`));
    const link = lines.find((line) => line.includes(' -o sim/sim '));
    if (!compile || !link) fail(`${mutant.name}: no command of ${build} builds ${mutant.file}`);
    const made = shell(`${compile.replace(/ -MD .* -c .*$/, '')} -Wno-error -w -o ${object} -c ${source}`);
    // Before the libraries, so that theirs is not wanted.
    const linked = shell(link.replace(' -o sim/sim ', ` -o ${program} ${object} `));
    if (made.status === 0 && linked.status === 0) return program;
    console.error(`${mutant.name} does not build:\n${made.stderr}${linked.stderr}`);
    return null;
}

function run(program, from, to, ...more) {
    const done = spawnSync(program, ['--seeds', `${from}..${to}`, '--jobs', jobs, '--quiet', ...more], { encoding: 'utf8', timeout: HANG_MS });
    const failures = [...(done.stdout ?? '').matchAll(/^seed (\d+): FAILED:? (?:at [0-9.]+ s: )?(.*)$/gm)]
        .map((match) => ({ seed: Number(match[1]), claim: match[2] }))
        .sort((a, b) => a.seed - b.seed);
    return { hangs: done.error?.code === 'ETIMEDOUT', failures };
}

// A claim without the names and numbers of one story.
function shapeOf(claim) {
    return claim.replace(/: \{.*| as \{.*/, '').replace(/\b[0-9a-f]{16,}\b/g, '#').replace(/\b([sk]?)\d+\b/g, '$1#').replace(/#\/#/g, '#');
}

// How often each claim fails in the core as it is.
function soundClaims() {
    const id = createHash('sha256').update(readFileSync(sound)).update(`${seeds}`).digest('hex').slice(0, 16);
    const kept = path.join(place, `sound-${id}.json`);
    if (!existsSync(kept)) {
        const counts = {};
        for (const { claim } of run(sound, 1, seeds).failures) {
            counts[shapeOf(claim)] = (counts[shapeOf(claim)] ?? 0) + 1;
        }
        writeFileSync(kept, JSON.stringify(counts));
        console.log(`the core as it is: ${JSON.stringify(counts)}`);
    }
    return JSON.parse(readFileSync(kept, 'utf8'));
}

// Whether the core as it is passes a seed with which a mutant failed.
function isNews({ seed }) {
    return run(sound, seed, seed).failures.length === 0;
}

function find(program) {
    const before = quick ? {} : soundClaims();
    const counts = {};
    for (let from = 1; from <= seeds;) {
        const { hangs, failures } = run(program, from, seeds, '--stop');
        if (hangs) return { seed: 0, claim: 'it does not end' };
        if (failures.length === 0) return null;
        const [failure] = failures;
        from = failure.seed + 1;
        if (!isNews(failure)) continue;
        const shape = shapeOf(failure.claim);
        counts[shape] = (counts[shape] ?? 0) + 1;
        const usual = before[shape] ?? 0;
        if (usual === 0 || (counts[shape] >= LEAST && counts[shape] * seeds > TIMES * usual * failure.seed)) return failure;
    }
    return null;
}

const all = readMutants();
const mutants = names.length === 0 ? all.filter((mutant) => !quick || mutant.quick)
    : names.map((name) => all.find((mutant) => mutant.name === name) ?? fail(`mutants.txt has no ${name}`));
const lines = commands();
let missed = mutants.length === 0 ? 1 : 0;
mkdirSync(place, { recursive: true });
for (const mutant of mutants) {
    const program = plant(mutant, lines);
    const found = program ? find(program) : null;
    const seed = found ? `${found.seed}` : program ? `not found in ${seeds}` : 'not built';
    const row = `| ${mutant.name} | ${mutant.rule} | ${seed} | ${found ? shapeOf(found.claim) : ''} |`;
    missed += found ? 0 : 1;
    console.log(row);
    appendFileSync(path.join(place, 'found.md'), `${row}\n`);
}
console.log(`${mutants.length - missed} mutants found, ${missed} not`);
process.exit(missed > 0 ? 1 : 0);
