// plant.mjs MUTANTS NAME FILE: puts the mutant NAME of the list into FILE. Fails if its text is not there exactly once.
import { readFileSync, writeFileSync } from 'node:fs';

const [list, name, file] = process.argv.slice(2);
const entry = readFileSync(list, 'utf8').split(/^== /m).find((part) => part.startsWith(`${name} `));
if (!entry) {
    console.error(`${list} has no ${name}`);
    process.exit(1);
}
const [before, after] = entry.slice(entry.indexOf('\n') + 1).replace(/\n$/, '').split('\n--\n');
const text = readFileSync(file, 'utf8');
if (text.split(before).length !== 2) {
    console.error(`${name}: ${file} no longer has its text, once`);
    process.exit(1);
}
writeFileSync(file, text.replace(before, () => after));
