/* A join: the request is a command of the record under the joiner's nonce, and its outcome the decision
 * (topology.Join, StartNode; baton's start). Requests reach some member, which hands them to whoever
 * leads; a leader commits what it proposes, or dies before or after. Answers are lost. A joiner asks
 * again until it has an answer; a restarted one repeats the nonce that it made durable.
 *
 * I1  one nonce has one decision, for ever
 * I2  a joiner that was told something was told what the record says
 * I3  an earlier process of the joiner is a member no more when a later one is: incarnations differ
 * L1  once nobody dies any more the joiner, if it lives, is decided (calm, see handoff.pml)
 *
 * Each other define removes one rule:
 *   MEMORY      the decision is in the memory of the leader that took the request
 *   NOREPEAT    a request that was decided is decided anew
 *   NORETRY     a joiner asks once
 *   NOSTART     a restarted joiner does not say that it is a new process
 */
#ifndef DEATHS
#define DEATHS 2      /* of leaders */
#endif
#ifndef CRASHES
#define CRASHES 2     /* of the joiner */
#endif
#ifndef ASKS
#define ASKS 3        /* requests that the environment may lose or delay */
#endif

byte term=1;              /* who leads */
byte wait;                /* a request at the leader: its nonce */
bool taken;               /* the leader has proposed it and not answered */
byte memory;              /* MEMORY: a decision that only the leader knows, by nonce */
byte decided[4];          /* the record: by nonce, 1 accepted, 2 refused */
byte first[4];            /* the first decision on the nonce, for I1 */
byte member, inc;         /* the member's nonce and incarnation in the record */
byte nonce, made;         /* durable at the joiner; how many it made */
bool up, asking, told, started;
byte mine;                /* the incarnation that this process believes to have */
byte lives;               /* processes of the joiner that were started */
byte wire;                /* a request under way or late: its nonce */
byte answer;              /* an answer under way: nonce */
byte deaths, crashes, lost; bool calm;

inline decide(n) {
  if
#ifndef NOREPEAT
  :: decided[n] -> skip
#endif
  :: else ->
       if :: (member==0 || member!=n) -> decided[n]=1; member=n; inc++
          :: else -> decided[n]=2 fi;
       if :: first[n]==0 -> first[n]=decided[n] :: else fi
  fi;
  assert(decided[n]==first[n])                         /* I1 */
}

active proctype model() {
  do
  /* the joiner: its nonce is durable before it asks */
  :: d_step { !up && (lives==0 || !told || crashes>0) && lives<=CRASHES -> up=1; lives++; asking=0; told=0; started=0; mine=0 }
  :: d_step { up && nonce==0 -> made++; nonce=made }
#ifdef NORETRY
  :: d_step { up && nonce && !told && !asking && wire==0 -> wire=nonce; asking=1 }
#else
  :: d_step { up && nonce && !told && wire!=nonce && wait!=nonce && answer!=nonce && !(calm && lost>ASKS) -> wire=nonce; asking=1 }
#endif
  :: d_step { up && answer==nonce && nonce && !told ->
#ifdef MEMORY
       told=1; answer=0
#else
       assert(decided[nonce]); told=1; answer=0;       /* I2 */
       if :: lives==1 -> mine=inc; started=1 :: else fi
#endif
     }
  :: d_step { answer && (answer!=nonce || told) -> answer=0 }
  :: d_step { up && told && !started && decided[nonce]==1 && member==nonce ->
#ifndef NOSTART
       inc++;
#endif
       mine=inc; started=1; assert(lives==1 || inc>1) }
  /* members and the leader */
  :: d_step { wire && !wait -> wait=wire; wire=0; taken=0 }
#ifdef MEMORY
  :: d_step { wait && !taken -> taken=1; if :: memory && memory!=wait -> skip :: else -> memory=wait fi }
  :: d_step { wait && taken && !answer -> if :: memory==wait -> answer=wait :: else fi; wait=0; taken=0 }
  :: d_step { memory && !answer && decided[memory]==0 -> decide(memory) }
#else
  :: d_step { wait && !taken -> decide(wait); taken=1 }
  :: d_step { wait && taken && !answer -> answer=wait; wait=0; taken=0 }
#endif
  /* environment */
  :: d_step { !calm && deaths<DEATHS && term -> deaths++; term++; wait=0; taken=0; memory=0 }
  :: d_step { !calm && crashes<CRASHES && up -> crashes++; up=0; asking=0; told=0; started=0; mine=0 }
  :: d_step { !calm && lost<ASKS && wire -> lost++; wire=0 }
  :: d_step { !calm && lost<ASKS && answer -> lost++; answer=0 }
  :: d_step { !calm -> calm=1 }
  :: timeout -> assert(!up || (told && started && member==nonce && decided[nonce]==1 && mine==inc)); break
  od
}
