/* A transfer between two nodes, as cluster/topology (the record), vnode.Lifecycle (the two vnodes) and
 * handoff (the stream) decide it, with a neighbour whose transfer takes turns with it (K7).
 *
 * Every arm of the loop is one step of one of them. Nodes apply the record late; proposals of seals
 * arrive late, also after the end of their process; streams break; late frames of any stream meet any
 * receiver; a batch is admitted and applied in two steps. A crash leaves what is durable.
 *
 * I1  a write that was acknowledged is with the owner
 * I2  staging(s) holds batches of session s only
 * I3  every acknowledgement is by the owner of the record, at its epoch
 * I4  two neighbours are never sealed at once (K7)
 * L1  once the environment is calm every transfer ends, and whatever waits is answered: no run is
 *     infinite (checked with the search for non-progress cycles), and where all stop nothing is open
 *
 * Environment (ends with calm): openings, writes, aborts, reverts, crashes, broken streams, the source's
 * report of its seal is lost, the target can't reach the record from some moment on.
 * -DNEIGHBOUR adds a neighbour. -DACTIVATE is a kind whose target asks before its first acknowledgement, so that a flip can be taken
 * back. Every other define removes one rule.
 */
#ifndef SESSIONS
#define SESSIONS 2
#endif
#ifndef STREAMS
#define STREAMS 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef WRITES
#define WRITES 2
#endif

/* stages */
#define IDLE 0
#define PREPARE 1
#define FOLD 2
#define SEAL 3
#define DRAIN 4
#define CLEAN 5
#define ABORT 6
/* states of a vnode */
#define ABSENT 0
#define OWNER 1
#define FOLDING 2
#define FROZEN 3
#define FORWARDER 4
#define TOMBSTONE 5
#define STAGING 6
#define SEALED 7
#define ACTIVATING 8

/* the record */
byte owner, epoch=1, sess, last, stage, src;
bool sReady, tReady, waits, activated, drained;
byte fSeal, tSeal;               /* seals, as content + 1 */
byte inc[2]=1, tInc[2];          /* incarnations, and those of the transfer */
#ifdef NEIGHBOUR
byte nb=1;                       /* the neighbour: 1 copies, 2 waits, 3 sealed, 4 through */
#else
byte nb=4;
#endif
/* views */
byte vo[2], ve[2]=1, vs[2], vg[2], vsrc[2]; bool va[2];
/* vnodes: volatile */
byte st[2], id[2]; bool pm[2], tried[2], down[2], parked[2];
/* vnodes: durable */
byte data[2], frozen[2], stg[2], stgOf[2], foreign[2], sealOf[2], maxS[2], pe[2]; bool tomb[2];
/* streams: session, frames 1 and 2 and FIN (as content + 1), the target has confirmed */
byte streams, sOf[STREAMS+1], f1[STREAMS+1], f2[STREAMS+1], fin[STREAMS+1]; bool ok[STREAMS+1];
byte cur[2];                     /* the source's stream */
byte rn[2], rq[2];               /* the receiver's: stream, batches taken */
byte gn[2], gq[2];               /* a batch that was admitted and is not applied: stream, number */
/* seals on their way to the record: session, content + 1, incarnation */
byte pS, pSeal, pInc, qS, qSeal, qInc;
byte acked, w, crashes; bool calm;
bool mute;                       /* the target can't report its seal */

#define DST (1-src)
#define OPENSTAGE(g) ((g)==PREPARE || (g)==FOLD || (g)==SEAL)
#define LOST ((stage==FOLD || stage==SEAL) && ((inc[src]!=tInc[src] && !tSeal) || (inc[DST]!=tInc[DST] && !tSeal)))
#ifdef NOK7
#define BUSY false
#else
#define BUSY (nb==3)
#endif
#ifdef NONEIGHBOUR
#define MINE false
#else
#define MINE (stage==SEAL || stage==DRAIN || stage==ABORT)
#endif
#ifdef NOSESSION
#define SAMESESSION(i,n) true
#else
#define SAMESESSION(i,n) (sOf[n]==sOf[rn[i]])
#endif
#ifdef NOSESSION
#define LANDS(i,n) (stgOf[i]!=0)
#else
#define LANDS(i,n) (stgOf[i]==sOf[n] && sealOf[i]==0)
#endif
#ifdef NOCOMPARE
#define EQUAL(i,n) true
#else
#define EQUAL(i,n) (stg[i]+1==fin[n])
#endif
#ifdef SERVEEARLY
#define SERVES(i) (st[i]==OWNER || st[i]==FOLDING || st[i]==SEALED)
#else
#define SERVES(i) (st[i]==OWNER || st[i]==FOLDING)
#endif
#ifdef ACTIVATE
#define WAITSFOR true
#else
#define WAITSFOR false
#endif
#ifdef ACKFIRST
#undef WAITSFOR
#define WAITSFOR false
#endif

inline check() {                 /* I1, I4 */
  if :: sealOf[owner]!=0 -> assert((acked & ~stg[owner])==0)
     :: else -> assert((acked & ~data[owner])==0) fi;
  assert(!(stage==SEAL && nb==3))
}
inline serve(i) {                /* one more write, acknowledged */
  data[i] = data[i] | (1<<w); acked = acked | (1<<w); w++;
  assert(owner==i && ve[i]==epoch)     /* I3 */
}
inline replay(i) { if :: parked[i] -> parked[i]=0; if :: w<WRITES -> serve(i) :: else fi :: else fi }
inline dropStaging(i) { stg[i]=0; stgOf[i]=0; sealOf[i]=0; foreign[i]=0; rn[i]=0; rq[i]=0 }
inline close() {
  sess=0; stage=IDLE; src=0; sReady=0; tReady=0; waits=0; activated=0; drained=0; fSeal=0; tSeal=0; tInc[0]=0; tInc[1]=0
}
inline giveUp() { stage=ABORT; waits=0 }
inline decide() {                /* F11 */
  if :: (fSeal && tSeal) ->
       if :: LOST -> giveUp()
#ifndef NOCOMPARE
          :: !LOST && fSeal!=tSeal -> giveUp()
          :: !LOST && fSeal==tSeal ->
#else
          :: !LOST ->
#endif
             owner=DST; epoch++; stage=DRAIN; activated=0; drained=0
       fi
     :: else fi
}
inline settle() { if :: (activated && drained) -> stage=CLEAN :: else fi }

/* look applies the newest record and brings the vnode in line with it. */
inline look(i) {
  if :: vs[i]!=sess -> tried[i]=0; cur[i]=0 :: else fi;
  vo[i]=owner; ve[i]=epoch; vs[i]=sess; vg[i]=stage; vsrc[i]=src; va[i]=activated;
  if :: !OPENSTAGE(stage) -> rn[i]=0; rq[i]=0; if :: cur[i] && stage!=IDLE -> cur[i]=0 :: else fi :: else fi;
  do
  :: (st[i]==ABSENT || st[i]==TOMBSTONE) ->
     if
     :: vo[i]==i && vs[i] && vsrc[i]!=i && vg[i]==DRAIN && !va[i] ->
          if :: pe[i]==ve[i] -> st[i]=ACTIVATING; id[i]=vs[i]; pm[i]=1 :: else -> break fi
     :: vo[i]==i && !(vs[i] && vsrc[i]!=i && vg[i]==DRAIN && !va[i]) -> st[i]=OWNER; id[i]=0; tomb[i]=0; replay(i)
     :: vo[i]!=i && vs[i] && vsrc[i]==i && (vg[i]==DRAIN || vg[i]==CLEAN) && !tried[i] ->
          tried[i]=1; st[i]=FORWARDER; id[i]=vs[i]
     :: vo[i]!=i && vs[i] && vsrc[i]!=i && vg[i]==PREPARE && !tried[i] ->
          tried[i]=1; st[i]=STAGING; id[i]=vs[i]; pm[i]=0
     :: else -> break
     fi
  :: st[i]==OWNER && vo[i]!=i -> st[i]=TOMBSTONE; id[i]=0
  :: st[i]==FOLDING && (vs[i]!=id[i] || vg[i]==ABORT) -> st[i]=OWNER; id[i]=0; cur[i]=0
  :: st[i]==FOLDING && vs[i]==id[i] && vg[i]==SEAL -> st[i]=FROZEN; pm[i]=0
  :: st[i]==FROZEN && vo[i]!=i -> st[i]=FORWARDER; tried[i]=1; parked[i]=0; cur[i]=0
  :: st[i]==FROZEN && vo[i]==i && (vs[i]!=id[i] || vg[i]==ABORT) -> st[i]=OWNER; frozen[i]=0; id[i]=0; cur[i]=0;
#ifndef NOREPLAY
       replay(i)
#else
       skip
#endif
  :: st[i]==FORWARDER && vo[i]==i -> st[i]=OWNER; frozen[i]=0; id[i]=0
  :: (st[i]==STAGING || st[i]==SEALED) && (vs[i]!=id[i] || vg[i]==ABORT) -> st[i]=ABSENT; id[i]=0; dropStaging(i)
  :: st[i]==SEALED && vs[i]==id[i] && vg[i]!=ABORT && vo[i]==i -> st[i]=ACTIVATING; pm[i]=0
  :: st[i]==ACTIVATING && vo[i]!=i -> st[i]=TOMBSTONE; id[i]=0; parked[i]=0; data[i]=0; tomb[i]=1; dropStaging(i)
  :: st[i]==ACTIVATING && vo[i]==i && pm[i] && !(WAITSFOR && vs[i]==id[i] && vg[i]==DRAIN && !va[i]) -> st[i]=OWNER; id[i]=0; replay(i)
  :: else -> break
  od;
  check()
}

#define UP(i) (!down[i])
#define BEHIND(i) (vo[i]!=owner || ve[i]!=epoch || vs[i]!=sess || vg[i]!=stage || va[i]!=activated)

#define VNODE(i) \
  :: d_step { UP(i) && BEHIND(i) -> look(i) } \
  /* source */ \
  :: d_step { UP(i) && st[i]==OWNER && vs[i] && vsrc[i]==i && vg[i]==PREPARE && sess==vs[i] && stage==PREPARE && !sReady -> \
       sReady=1; if :: tReady -> stage=FOLD :: else fi } \
  :: d_step { UP(i) && ((st[i]==OWNER && vg[i]==FOLD) || (st[i]==FOLDING && vg[i]==FOLD) || (st[i]==FROZEN && pm[i])) && vs[i] && vsrc[i]==i && \
       !cur[i] && streams<STREAMS && inc[i]==tInc[i] && sess==vs[i] -> streams++; sOf[streams]=vs[i]; cur[i]=streams } \
  :: d_step { UP(i) && (st[i]==OWNER || st[i]==FOLDING) && vg[i]==FOLD && vsrc[i]==i && cur[i] && ok[cur[i]] && !f1[cur[i]] -> \
       st[i]=FOLDING; id[i]=vs[i]; f1[cur[i]]=data[i]+1 } \
  :: d_step { UP(i) && st[i]==FOLDING && cur[i] && f1[cur[i]] && sess==id[i] && stage==FOLD && !waits && inc[i]==tInc[i] -> \
       if :: BUSY -> waits=1 :: else -> stage=SEAL fi; check() } \
  :: d_step { UP(i) && st[i]==FROZEN && !pm[i] -> pm[i]=1; FREEZE(i) } \
  :: d_step { UP(i) && st[i]==FROZEN && pm[i] && cur[i] && f1[cur[i]] && !fin[cur[i]] && vg[i]==SEAL -> \
       f2[cur[i]]=(data[i]&~(f1[cur[i]]-1))+1; fin[cur[i]]=data[i]+1; pS=id[i]; pSeal=data[i]+1; pInc=inc[i] } \
  :: d_step { UP(i) && st[i]==FORWARDER && sess==id[i] && vs[i]==id[i] && vg[i]==DRAIN && stage==DRAIN && !drained -> \
       drained=1; settle() } \
  :: d_step { UP(i) && st[i]==FORWARDER && MAYDELETE(i) -> \
       data[i]=0; frozen[i]=0; tomb[i]=1; st[i]=TOMBSTONE; tried[i]=1; pe[i]=0; check(); \
       if :: (sess==id[i] && stage==CLEAN) -> close() :: else fi; id[i]=0 } \
  :: d_step { UP(i) && st[i]==OWNER && vs[i] && vsrc[i]==i && vg[i]==ABORT && sess==vs[i] && stage==ABORT -> close() } \
  /* a stream that ended without a sealed copy, and no other to come: the source gives up */ \
  :: d_step { UP(i) && vsrc[i]==i && vs[i]==sess && OPENSTAGE(stage) && (vg[i]==FOLD || vg[i]==SEAL) && !cur[i] && streams==STREAMS \
       && (st[i]==OWNER || st[i]==FOLDING || (st[i]==FROZEN && pm[i])) -> giveUp() } \
  /* a stream opened after the freeze can only confirm */ \
  :: d_step { UP(i) && st[i]==FROZEN && pm[i] && cur[i] && !f1[cur[i]] && ok[cur[i]] && sess==id[i] && OPENSTAGE(stage) -> giveUp() } \
  :: d_step { UP(i) && st[i]==FROZEN && pm[i] && cur[i] && !f1[cur[i]] && !fin[cur[i]] && !ok[cur[i]] && UP(1-i) && sealOf[1-i]==id[i] && sess==id[i] -> \
       if :: stg[1-i]==data[i] -> fin[cur[i]]=data[i]+1; pS=id[i]; pSeal=data[i]+1; pInc=inc[i] :: else -> if :: OPENSTAGE(stage) -> giveUp() :: else fi fi } \
  /* target */ \
  :: d_step { UP(i) && st[i]==STAGING && !pm[i] -> pm[i]=1; stg[i]=0; stgOf[i]=id[i]; sealOf[i]=0; foreign[i]=0; maxS[i]=id[i] } \
  :: d_step { UP(i) && st[i]==STAGING && pm[i] && vs[i]==id[i] && vg[i]==PREPARE && sess==id[i] && stage==PREPARE && !tReady && inc[i]==tInc[i] -> \
       tReady=1; if :: sReady -> stage=FOLD :: else fi } \
  :: d_step { UP(i) && streams && ADMIT(i,streams) -> rn[i]=streams; rq[i]=0; stg[i]=0; foreign[i]=0; ok[streams]=1 } \
  BATCH(i,1) BATCH2(i) BATCH3(i) BATCH4(i) \
  :: d_step { UP(i) && gn[i] -> \
       if :: LANDS(i,gn[i]) -> \
            if :: (gq[i]==1) -> stg[i]=stg[i]|(f1[gn[i]]-1) :: else -> stg[i]=stg[i]|(f2[gn[i]]-1) fi; \
            if :: stgOf[i]!=sOf[gn[i]] -> foreign[i]=1 :: else fi; assert(!foreign[i]) \
          :: else fi; gn[i]=0; gq[i]=0 } \
  :: d_step { UP(i) && st[i]==STAGING && rn[i] && fin[rn[i]] && rq[i]==2 && !gn[i] && sealOf[i]==0 && stgOf[i]==id[i] -> \
       if :: EQUAL(i,rn[i]) -> sealOf[i]=id[i]; st[i]=SEALED :: else -> if :: sess==id[i] && OPENSTAGE(stage) -> giveUp() :: else fi; rn[i]=0; rq[i]=0 fi } \
  :: d_step { UP(i) && st[i]==SEALED && vs[i]==id[i] && vg[i]==SEAL && !tSeal && !mute && qS!=id[i] && sess==id[i] && stage==SEAL && inc[i]==tInc[i] -> \
       qS=id[i]; qSeal=SEALOFCOPY(i); qInc=inc[i] } \
  :: d_step { UP(i) && st[i]==ACTIVATING && !pm[i] -> pm[i]=1; data[i]=stg[i]; pe[i]=ve[i]; dropStaging(i); tomb[i]=0; look(i) } \
  :: d_step { UP(i) && pm[i] && (st[i]==ACTIVATING || (st[i]==OWNER && pe[i]==ve[i])) && vs[i] && vsrc[i]!=i && vg[i]==DRAIN && sess==vs[i] && stage==DRAIN && owner==i && !activated -> \
       activated=1; settle() } \
  /* environment */ \
  :: d_step { !calm && w<WRITES && UP(i) && SERVES(i) -> serve(i); check() } \
  :: d_step { !calm && !parked[i] && UP(i) && (st[i]==FROZEN || st[i]==ACTIVATING) -> parked[i]=1 } \
  :: d_step { !calm && UP(i) && cur[i] && (!fin[cur[i]] || st[1-i]!=SEALED) && (st[i]==OWNER || st[i]==FOLDING || st[i]==FROZEN) -> \
       rn[1-i]=0; rq[1-i]=0; if :: (st[i]==FROZEN && !fin[cur[i]]) -> if :: sess==id[i] && OPENSTAGE(stage) -> giveUp() :: else fi :: else fi; cur[i]=0 } \
  :: d_step { !calm && crashes<CRASHES && UP(i) -> crashes++; down[i]=1; parked[i]=0; cur[i]=0; rn[i]=0; rq[i]=0; gn[i]=0; gq[i]=0; LOSE(i) } \
  THAW(i) \
  :: d_step { down[i] -> down[i]=0; inc[i]++; pm[i]=0; tried[i]=0; id[i]=0; \
       if :: (sess && stage==PREPARE) -> tInc[i]=inc[i]; if :: (src==i) -> sReady=0 :: else -> tReady=0 fi \
          :: (sess && stage==DRAIN && src==i) -> drained=1; settle() :: else fi; \
       if :: frozen[i] -> st[i]=FROZEN; id[i]=frozen[i]; pm[i]=1 \
          :: !frozen[i] && stgOf[i] && sealOf[i] -> st[i]=SEALED; id[i]=stgOf[i] \
          :: !frozen[i] && stgOf[i] && !sealOf[i] -> st[i]=ABSENT; dropStaging(i) \
          :: !frozen[i] && !stgOf[i] && tomb[i] -> st[i]=TOMBSTONE \
          :: else -> st[i]=ABSENT fi; look(i) }

#define ADMIT(i,n) (st[i]==STAGING && pm[i] && rn[i]!=n && !ok[n] && !f1[n] && sOf[n]>=maxS[i] && vs[i]==sOf[n] && vsrc[i]!=i && \
  OPENSTAGE(vg[i]) && stgOf[i]==sOf[n] && !sealOf[i] && cur[1-i]==n && !gn[i])
#define BATCH(i,n) \
  :: d_step { UP(i) && rn[i] && !gn[i] && rq[i]==0 && f1[n] && SAMESESSION(i,n) && (n==rn[i] || sOf[n]!=sOf[rn[i]]) -> gn[i]=n; gq[i]=1; rq[i]=1 } \
  :: d_step { UP(i) && rn[i] && !gn[i] && NOGAP(i) && f2[n] && SAMESESSION(i,n) && (n==rn[i] || sOf[n]!=sOf[rn[i]]) -> gn[i]=n; gq[i]=2; rq[i]=2 }
#ifdef GAPS
#define NOGAP(i) (rq[i]<2)
#else
#define NOGAP(i) (rq[i]==1)
#endif
#if STREAMS>1
#define BATCH2(i) BATCH(i,2)
#else
#define BATCH2(i)
#endif
#if STREAMS>2
#define BATCH3(i) BATCH(i,3)
#else
#define BATCH3(i)
#endif
#if STREAMS>3
#define BATCH4(i) BATCH(i,4)
#else
#define BATCH4(i)
#endif
#ifdef NOFREEZE
#define FREEZE(i) skip
#else
#define FREEZE(i) frozen[i]=id[i]
#endif
#ifdef EARLYDELETE
#define MAYDELETE(i) true
#else
#define MAYDELETE(i) !(vs[i]==id[i] && vg[i]==DRAIN)
#endif
#ifdef NOCOMPARE
#define SEALOFCOPY(i) fSeal
#else
#define SEALOFCOPY(i) (stg[i]+1)
#endif
#ifdef NOSYNC
#define LOSE(i) stg[i]=0
#else
#define LOSE(i) if :: !sealOf[i] -> stg[i]=0 :: else fi
#endif
#ifdef THAWS
#define THAW(i) :: d_step { st[i]==FROZEN && pm[i] -> st[i]=OWNER; frozen[i]=0; id[i]=0 }
#else
#define THAW(i)
#endif
#ifdef REUSE
#define NEXT 1
#else
#define NEXT last
#endif

#ifdef COMMITANY
#define COMMITTABLE true
#define RELAYED (stg[DST]+1)
#else
#define COMMITTABLE tSeal
#define RELAYED tSeal
#endif
#ifdef REVERTANY
#define REVERTABLE true
#else
#define REVERTABLE (!activated)
#endif
#ifdef ONESEAL
#define FLIPEARLY tSeal=fSeal
#else
#define FLIPEARLY skip
#endif

active proctype model() {
  d_step { st[0]=OWNER; data[0]=0; pe[0]=1; st[1]=ABSENT };
  do
  VNODE(0) VNODE(1)
  /* whoever coordinates */
  :: d_step { !calm && stage==IDLE && last<SESSIONS && !down[0] && !down[1] -> last++; sess=NEXT; src=owner; stage=PREPARE; tInc[0]=inc[0]; tInc[1]=inc[1] }
#ifndef NOLOSTCHECK
  :: d_step { LOST -> giveUp() }
#endif
#ifndef NOBEGIN
  :: d_step { stage==FOLD && waits && !BUSY -> waits=0; stage=SEAL; check() }
#endif
  :: d_step { !calm && OPENSTAGE(stage) -> giveUp() }
#ifndef NOBUDGET
  /* SEAL has a budget: nothing comes any more, or not in time */
  :: d_step { mute && stage==SEAL && !tSeal && !qS -> giveUp() }
#endif
#ifndef NOCOMMIT
  :: d_step { COMMITTABLE && stage==SEAL && !fSeal && !LOST -> fSeal=RELAYED; owner=DST; epoch++; stage=DRAIN; activated=0; drained=0; check() }
#endif
#ifdef ACTIVATE
  :: d_step { !calm && stage==DRAIN && REVERTABLE -> owner=src; epoch++; stage=ABORT; check() }
#endif
  /* seals reach the record, or are refused there */
  :: d_step { pS -> if :: (sess==pS && stage==SEAL && !fSeal && inc[src]==pInc && tInc[src]==pInc) -> fSeal=pSeal; FLIPEARLY; decide() :: else fi; pS=0; pSeal=0; pInc=0; check() }
  :: d_step { !calm && pS -> pS=0; pSeal=0; pInc=0 }
  :: d_step { !calm && !mute -> mute=1 }
  :: d_step { qS -> if :: (sess==qS && stage==SEAL && !tSeal && inc[DST]==qInc && tInc[DST]==qInc) -> tSeal=qSeal; decide() :: else fi; qS=0; qSeal=0; qInc=0; check() }
  /* the neighbour */
  :: d_step { nb==1 -> if :: MINE -> nb=2 :: else -> nb=3 fi; check() }
  :: d_step { nb==2 && !MINE -> nb=3; check() }
  :: d_step { nb==3 -> nb=4 }
  :: d_step { !calm -> calm=1 }
  :: timeout -> assert(stage==IDLE && sess==0 && !parked[0] && !parked[1] && nb==4 && st[owner]==OWNER); break
  od
}
