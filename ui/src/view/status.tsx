// How the page stands with the server: the banner when nobody answers, and who answered how fast.
import { useEffect, useState } from "preact/hooks";
import type { Link } from "../store.ts";
import { behindText, formatMs, shownSites, type Sites } from "../sites.ts";
import { usePage } from "./page.ts";

/** Seconds until @at (milliseconds since 1970), counted down. */
function useSecondsUntil(at: number | null): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [at]);
  return at === null ? 0 : Math.max(0, Math.ceil((at - now) / 1_000));
}

function RetryLine({ link }: { link: Link }) {
  const { sync } = usePage();
  const seconds = useSecondsUntil(link.retryAt);
  return (
    <>
      <span class="retry-when">{seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again…"}</span>
      <button class="button small" type="button" onClick={() => sync.wake()}>
        Try now
      </button>
    </>
  );
}

const headline = (link: Link): string => {
  if (!link.online) return "You are offline.";
  return link.fault?.kind === "unreachable" ? "Hedgerow does not answer." : "Hedgerow cannot serve the list.";
};

export function Banner({ link, waiting }: { link: Link; waiting: number }) {
  const changes =
    waiting === 1 ? "1 change waits here to be sent." : `${waiting} changes wait here to be sent.`;
  return (
    <section class="banner" aria-label="Connection">
      <p>
        <strong>{headline(link)}</strong> {link.online && link.fault?.text}{" "}
        {waiting > 0 ? changes : "The list may be out of date."}
      </p>
      <RetryLine link={link} />
    </section>
  );
}

export function LoadFailed({ link }: { link: Link }) {
  return (
    <section class="void failed" aria-label="Connection">
      <h2>{headline(link)}</h2>
      <p>{link.online ? link.fault?.text : "The list appears as soon as there is a connection."}</p>
      <div class="void-actions">
        <RetryLine link={link} />
      </div>
    </section>
  );
}

function Acks({ acks }: { acks: Sites["acks"] }) {
  // Its place is kept before there is anything to say: the page does not jump with the first change.
  if (!acks) return <p class="acks" />;
  return (
    <p class={acks.few ? "acks few" : "acks"}>
      Last change held by {acks.stored} of {acks.sites} {acks.sites === 1 ? "site" : "sites"}
    </p>
  );
}

/** One quiet line, and where there are more sites than one, each of them. */
export function SiteStatus({ sites, up }: { sites: Sites; up: boolean }) {
  const { all, newest, acks, behind, lattice, current, news } = sites;
  const shown = shownSites(sites);
  if (shown.length === 0) return null;
  const answerer = all.find((site) => site.name === newest);
  const here = lattice?.find((place) => place.here)?.name;
  return (
    <section class="sites" aria-labelledby="sites-title">
      <h2 class="unseen" id="sites-title">
        Sites
      </h2>
      <div class="sites-line">
        <p class={up ? "answered" : "answered last"}>
          {answerer && (
            <>
              {up ? "Answered" : "Last answered"} by <b>{answerer.name}</b> in{" "}
              <span class="site-ms">{formatMs(answerer.ms)}</span>
            </>
          )}
        </p>
        <Acks acks={acks} />
      </div>
      {shown.length > 1 && (
        <ul
          role="list"
          class={current || !lattice ? "places" : "places old"}
          aria-label={here ? `Sites, with their round trips from ${here}` : "Sites, with their round trips"}
        >
          {shown.map(({ name, state, note }) => (
            <li key={name} class={up && name === newest ? `${state} newest` : state} title={name}>
              <span class="site-name">{name}</span>{" "}
              <span class="site-ms">
                {note}
                {name === newest && <span class="unseen">, answered last</span>}
              </span>
            </li>
          ))}
        </ul>
      )}
      {up && behind && <p class="behind">{behindText(behind)}</p>}
      <p class="unseen" role="status">
        {news}
      </p>
    </section>
  );
}
