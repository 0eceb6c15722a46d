// What processes have computed, all their threads together, as the kernel counts it (proc(5), stat: utime and stime).
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

function cpuUs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // from the third on
  return (Number(fields[11]) + Number(fields[12])) * 1e6 / ticksPerSecond;
}

// groups: lists of process ids by a name. Gives the microseconds of each group so far, by the same names.
export function cpuOf(groups) {
  return Object.fromEntries(Object.entries(groups).map(([name, pids]) => [name, pids.reduce((sum, pid) => sum + cpuUs(pid), 0)]));
}

export function cpuSince(before, groups) {
  const now = cpuOf(groups);
  return Object.fromEntries(Object.keys(now).map((name) => [name, now[name] - before[name]]));
}
