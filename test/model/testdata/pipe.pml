/* The queue of one fitting at one partition, its worker and its sink, while the partition moves between
 * two nodes, as package pipe decides it (Outbox, Queues, Runner, Coordinator, Sink). How a copy gets to the
 * other node is handoff.pml's matter: here a seal takes it over in one step.
 *
 * A sender gives the inputs 1..INPUTS one stream. Each input makes one output, whose content is the input.
 * Frames may be lost, doubled and as late as they like: whoever holds something unacknowledged can send it
 * again, and until all is calm any frame that was ever sent can arrive once more, from wherever it was sent.
 *
 * I1  the sink takes the output of every input once, in the order of the inputs
 * I2  a pipe to which nothing happened but moves never ends before all is with the sink, and what its worker
 *     counted is what was sent
 * L1  once the environment is calm the pipe ends and the last move does: no run is infinite (checked with the
 *     search for non-progress cycles), and where all stop the pipe has ended
 *
 * Environment (ends with calm): moves, aborts, late frames. Every define but INPUTS and MOVES removes one rule.
 */
#ifndef INPUTS
#define INPUTS 2
#endif
#ifndef MOVES
#define MOVES 2
#endif
#define ALL ((1<<INPUTS)-1)
#define COUNT(x) (((x)&1)+(((x)>>1)&1)+(((x)>>2)&1))

/* stages */
#define IDLE 0
#define PREPARE 1
#define FOLD 2
#define SEAL 3
#define DRAIN 4
#define ABORT 5
/* states of a vnode */
#define ABSENT 0
#define OWNER 1
#define FOLDING 2
#define FROZEN 3
#define TOMBSTONE 4
/* states of a worker */
#define NONE 0
#define RUNS 1
#define ARCHIVED 2
#define DONE 3

/* the record, and what the nodes have seen of it */
byte owner, stage, src, moves;
byte vo[2], vg[2], vsrc[2];
/* a vnode: batches accepted, queued inputs, end of inputs */
byte st[2], acc[2], q[2]; bool eoi[2];
/* its worker: the input it works on, what its state has counted, outputs made and acknowledged */
byte wk[2], given[2], state[2], out[2], oack[2];
/* output k of node i, at 4*i+k; frames stay on the network when the worker has gone */
byte content[8];
/* a sealed copy */
byte cAcc, cQ, cWk, cState, cOut, cOack; bool cEoi, sealed;
/* the sender, the sink, the coordinator */
byte sent, acked, taken, got; bool ended, calm;
byte to[4];                      /* where a batch was sent first, plus one */

#define SERVES(i) (st[i]==OWNER || st[i]==FOLDING)
#define BEHIND(i) (vo[i]!=owner || vg[i]!=stage || vsrc[i]!=src)
#define OPENSTAGE(g) ((g)==PREPARE || (g)==FOLD || (g)==SEAL)

#ifdef NOFREEZE
#define ACCEPTS(i) (SERVES(i) || st[i]==FROZEN)
#else
#define ACCEPTS(i) SERVES(i)
#endif
#ifdef ACKEARLY
#define HELD(i) sent
#else
#define HELD(i) acc[i]
#endif
#ifdef BYACTOR
#define REACHES(i,k) (to[k]==i+1)
#else
#define REACHES(i,k) true
#endif
#ifdef ANYORDER
#define NEXT(i,k) (!(q[i] & (1<<((k)-1))) && (k)!=given[i] && !(state[i] & (1<<((k)-1))))
#else
#define NEXT(i,k) ((k)==acc[i]+1)
#endif
#ifdef EOIEARLY
#define SENDERDONE (sent==INPUTS)
#else
#define SENDERDONE (acked==INPUTS)
#endif
#ifdef MIDINPUT
#define BOUNDARY(i) true
#else
#define BOUNDARY(i) (given[i]==0)
#endif
#ifdef ATSTART
#define ORDERED(i) (st[i]==FOLDING || (st[i]==OWNER && vsrc[i]==i && vg[i]==PREPARE))
#else
#define ORDERED(i) (st[i]==FOLDING)
#endif
#ifdef DONEUNACKED
#define SETTLED(i) true
#else
#define SETTLED(i) (oack[i]==out[i])
#endif
#ifdef SEALRUNNING
#define EXPORTREADY(i) true
#else
#define EXPORTREADY(i) (wk[i]!=RUNS)
#endif

inline copy(i) {                 /* what a seal takes over */
  cAcc=acc[i]; cQ=q[i]; cWk=wk[i]; cState=state[i]; cOut=out[i]; cOack=oack[i]; cEoi=eoi[i]; sealed=1;
  content[4*(1-i)+1]=content[4*i+1]; content[4*(1-i)+2]=content[4*i+2]; content[4*(1-i)+3]=content[4*i+3];
#ifdef NOWINDOW
  cAcc=0;
#endif
#ifdef NOQUEUE
  cQ=0;
#endif
#ifdef NOARCHIVE
  cState=0;
#endif
#ifdef NOCURSOR
  cOut=0; cOack=0;
#endif
#ifdef NODONE
  if :: cWk==DONE -> cWk=NONE; cState=0; cOut=0; cOack=0 :: else fi;
#endif
  skip
}

/* look applies the newest record. */
inline look(i) {
  vo[i]=owner; vg[i]=stage; vsrc[i]=src;
  if
  :: (st[i]==FOLDING || st[i]==FROZEN) && vo[i]==i && (vg[i]==ABORT || vg[i]==IDLE) ->
       st[i]=OWNER;
#ifndef NORESTORE
       if :: wk[i]==ARCHIVED -> wk[i]=RUNS :: else fi
#else
       skip
#endif
  :: st[i]==FOLDING && vg[i]==SEAL -> st[i]=FROZEN
  :: st[i]==FROZEN && vo[i]!=i ->
       st[i]=TOMBSTONE; acc[i]=0; q[i]=0; wk[i]=NONE; given[i]=0; state[i]=0; out[i]=0; oack[i]=0; eoi[i]=0
  :: st[i]!=OWNER && st[i]!=FOLDING && st[i]!=FROZEN && vo[i]==i ->
       st[i]=OWNER; acc[i]=cAcc; q[i]=cQ; state[i]=cState; out[i]=cOut; oack[i]=cOack; eoi[i]=cEoi; given[i]=0;
       wk[i]=cWk; if :: wk[i]==ARCHIVED -> wk[i]=RUNS :: else fi
  :: else
  fi
}

#define INPUT(i,k) \
  :: d_step { k<=sent && (k>acked || !calm) && ACCEPTS(i) && NEXT(i,k) && REACHES(i,k) -> \
       if :: acc[i]<k -> acc[i]=k :: else fi; q[i]=q[i]|(1<<(k-1)) }
#ifdef TAKESTWICE
#define OUTPUT(i,k) \
  :: d_step { content[4*i+k] && ((k>oack[i] && k<=out[i]) || !calm) && k<=taken+1 -> \
       assert(content[4*i+k]==k && !(got & (1<<(k-1)))); got=got|(1<<(k-1)); if :: k>taken -> taken=k :: else fi }
#else
#define OUTPUT(i,k) \
  :: d_step { content[4*i+k] && ((k>oack[i] && k<=out[i]) || !calm) && k==taken+1 -> \
       assert(content[4*i+k]==k && !(got & (1<<(k-1)))); got=got|(1<<(k-1)); taken=k }
#endif

#define PULL(i) \
  :: d_step { wk[i]==RUNS && given[i]==0 && q[i] && st[i]==OWNER -> \
       if :: q[i]&1 -> given[i]=1 :: !(q[i]&1) && (q[i]&2) -> given[i]=2 :: else -> given[i]=3 fi; \
       q[i]=q[i]&~(1<<(given[i]-1)) }

#define VNODE(i) \
  :: d_step { BEHIND(i) -> look(i) } \
  INPUT(i,1) INPUT(i,2) INPUT(i,3) \
  :: d_step { (SERVES(i) || st[i]==FROZEN) && acked<HELD(i) -> acked=HELD(i) } \
  :: d_step { st[i]==OWNER && wk[i]==NONE && q[i] -> wk[i]=RUNS } \
  PULL(i) \
  :: d_step { (SERVES(i) || st[i]==FROZEN) && wk[i]==RUNS && given[i] && out[i]<3 -> \
       out[i]++; content[4*i+out[i]]=given[i]; state[i]=state[i]|(1<<(given[i]-1)); given[i]=0 } \
  OUTPUT(i,1) OUTPUT(i,2) OUTPUT(i,3) \
  :: d_step { wk[i]!=NONE && oack[i]<out[i] && oack[i]<taken -> \
       if :: taken<out[i] -> oack[i]=taken :: else -> oack[i]=out[i] fi } \
  /* the end of inputs; its result */ \
  :: d_step { SERVES(i) && SENDERDONE && !eoi[i] && !ended -> eoi[i]=1 } \
  :: d_step { st[i]==OWNER && eoi[i] && !q[i] && wk[i]<=RUNS && given[i]==0 && SETTLED(i) -> wk[i]=DONE } \
  :: d_step { SERVES(i) && wk[i]==DONE && eoi[i] && !ended -> \
       assert(COUNT(state[i])==INPUTS); assert(got==ALL); ended=1 } \
  FORWARDSDONE(i) \
  /* the source */ \
  :: d_step { ORDERED(i) && wk[i]==RUNS && BOUNDARY(i) -> wk[i]=ARCHIVED; given[i]=0 } \
  :: d_step { st[i]==OWNER && vsrc[i]==i && vg[i]==PREPARE && stage==PREPARE -> stage=FOLD } \
  :: d_step { st[i]==OWNER && vsrc[i]==i && vg[i]==FOLD && stage==FOLD -> st[i]=FOLDING } \
  :: d_step { st[i]==FOLDING && vg[i]==FOLD && stage==FOLD && EXPORTREADY(i) -> stage=SEAL } \
  :: d_step { st[i]==FROZEN && stage==SEAL && vg[i]==SEAL && !sealed -> copy(i) } \
  :: d_step { st[i]==FROZEN && stage==SEAL && sealed -> owner=1-i; stage=DRAIN }

#ifdef EOIDONE
#define FORWARDSDONE(i) :: d_step { (st[i]==TOMBSTONE || st[i]==FROZEN) && SENDERDONE && !ended -> assert(got==ALL); ended=1 }
#else
#define FORWARDSDONE(i)
#endif

active proctype model() {
  d_step { st[0]=OWNER };
  do
  VNODE(0) VNODE(1)
  /* the sender: at most two batches under way, to whom its view names */
  :: d_step { sent<INPUTS && sent-acked<2 -> sent++; to[sent]=vo[0]+1 }
  /* whoever coordinates */
  :: d_step { !calm && stage==IDLE && moves<MOVES -> moves++; stage=PREPARE; src=owner; sealed=0 }
  :: d_step { !calm && OPENSTAGE(stage) -> stage=ABORT }
  :: d_step { stage==ABORT && st[src]==OWNER && vg[src]==ABORT -> stage=IDLE; sealed=0 }
  :: d_step { stage==DRAIN && st[owner]==OWNER && st[1-owner]==TOMBSTONE -> stage=IDLE; sealed=0 }
  :: d_step { !calm -> calm=1 }
  :: timeout -> assert(ended && stage==IDLE && got==ALL); break
  od
}
