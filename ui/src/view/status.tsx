// How the page stands with the server: the banner when nobody answers, and who answered how fast.
import { useEffect, useState } from "preact/hooks";
import type { Link } from "../store.ts";
import { formatMs, type Sites } from "../sites.ts";
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

export function SiteStatus({ sites, up }: { sites: Sites; up: boolean }) {
  const { all, newest, acks } = sites;
  if (all.length === 0) return null;
  return (
    <section class="sites" aria-labelledby="sites-title">
      <h2 id="sites-title">Answered by</h2>
      <ul role="list">
        {all.map((site) => (
          <li
            key={site.name}
            class={up && site.name === newest ? "newest" : ""}
            title={site.name === newest ? "Answered last" : undefined}
          >
            <span class="site-name">{site.name}</span> <span class="site-ms">{formatMs(site.ms)}</span>
            {site.name === newest && <span class="unseen"> (answered last)</span>}
          </li>
        ))}
      </ul>
      {acks && (
        <p class={acks.stored < acks.sites ? "acks short" : "acks"}>
          Last change stored on {acks.stored} of {acks.sites} {acks.sites === 1 ? "site" : "sites"}
        </p>
      )}
    </section>
  );
}
